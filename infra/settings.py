"""Names of resources, prefixes, buffering and city settings, once: the CDK app and the local home read them here."""

import json
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ingestion.alerts.thresholds import Thresholds
from ingestion.contract.landing import PREFIXES

DATABASES = ("default", "raw", "reference", "curated", "marts")

# One object per hour and prefix: the names of the partition keys are part of the landing layout.
HOUR_PREFIX = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
READINGS_PREFIX = PREFIXES["readings"]
ERRORS_PREFIX = "errors/"
BACKUP_PREFIX = "backup/"
ERROR_TYPE = "!{firehose:error-output-type}/"


class AlertRoute(BaseModel):
    """Which alerts go to whom: those of the zones and levels that are given, by default of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,19}$", description="part of the names of rule and topic")
    zones: tuple[str, ...] = Field((), description="zone ids; none for all")
    levels: tuple[Literal["WARNING", "CRITICAL"], ...] = Field((), description="none for all, silence and devices too")
    emails: tuple[str, ...] = Field((), description="addresses that are asked to confirm their subscription")
    webhook_url: str | None = Field(None, description="address that the events are posted to")


class CitySettings(BaseSettings):
    """What differs from city to city; each field can be set as `TRAFFICLAKE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="TRAFFICLAKE_", frozen=True)

    stage: str = Field("local", pattern=r"^[a-z][a-z0-9]{0,11}$", description="name of the deployment")
    region: str = Field("us-east-1", description="AWS region")
    bucket_suffix: str = Field(
        "", pattern=r"^(-[a-z0-9]+)*$", max_length=30, description="end of bucket names, which all of AWS shares"
    )
    city_time_zone: str = Field("America/Los_Angeles", description="IANA zone that planners read hours and days in")
    city_country: str = Field("US", description="ISO 3166 country of the holiday calendar")
    city_subdivision: str = Field("CA", description="state or province of the holiday calendar")
    landing_since: str = Field("2000-01-01", description="first arrival date that partition projection offers")
    alert_warning: float = Field(80, description="mean congestion index above which a segment is in WARNING")
    alert_critical: float = Field(90, description="mean congestion index above which it is CRITICAL")
    alert_clear: float = Field(70, description="mean congestion index below which it is cleared after ten minutes")
    alert_silence_s: int = Field(900, ge=600, description="seconds without a reading after which a zone is silent")
    alert_routes: tuple[AlertRoute, ...] = Field(
        (AlertRoute(name="all"),), description="who gets which alerts, as JSON"
    )
    dashboard_url: str = Field("", description="page that messages link to; empty for none")

    @model_validator(mode="after")
    def _fits_together(self) -> "CitySettings":
        _ = self.alert_thresholds
        names = [route.name for route in self.alert_routes]
        if len(set(names)) < len(names):
            raise ValueError(f"each alert route has a name of its own, not {', '.join(names)}")
        return self

    @property
    def prefix(self) -> str:
        """Beginning of every resource name, such as `trafficlake-local`."""
        return f"trafficlake-{self.stage}"

    @property
    def stream(self) -> str:
        """Kinesis stream that all readings pass."""
        return f"{self.prefix}-readings"

    @property
    def delivery_stream(self) -> str:
        """Firehose delivery stream that lands readings as Parquet."""
        return f"{self.prefix}-raw"

    @property
    def workgroup(self) -> str:
        """Athena workgroup of the pipeline."""
        return self.prefix

    @property
    def raw_bucket(self) -> str:
        """Landing objects, conversion errors, source backup and senders' counts."""
        return f"{self.prefix}-raw{self.bucket_suffix}"

    @property
    def lake_bucket(self) -> str:
        """Iceberg tables and the records of runs."""
        return f"{self.prefix}-lake{self.bucket_suffix}"

    @property
    def results_bucket(self) -> str:
        """Athena query results."""
        return f"{self.prefix}-results{self.bucket_suffix}"

    @property
    def docs_bucket(self) -> str:
        """Data docs of the expectations."""
        return f"{self.prefix}-docs{self.bucket_suffix}"

    @property
    def segment_stream(self) -> str:
        """Kinesis stream of judged readings, by segment."""
        return f"{self.prefix}-segment-readings"

    @property
    def state_table(self) -> str:
        """DynamoDB table of the alerts: changes, 5-minute summaries and the current state of segments."""
        return f"{self.prefix}-sensor-state"

    @property
    def alert_bus(self) -> str:
        """EventBridge bus that alerts are put on."""
        return f"{self.prefix}-alerts"

    @property
    def alert_pipe(self) -> str:
        """EventBridge pipe from the table's changes to the bus."""
        return f"{self.prefix}-alert-changes"

    @property
    def failed_queue(self) -> str:
        """SQS queue of the batches that a function could not take."""
        return f"{self.alert_bus}-failed"

    @property
    def undelivered_queue(self) -> str:
        """SQS queue of the changes and events that could not be delivered."""
        return f"{self.alert_bus}-undelivered"

    @property
    def webhook_secret(self) -> str:
        """Secrets Manager secret that webhooks get as their API key."""
        return f"{self.prefix}-alert-webhook"

    @property
    def analysts_workgroup(self) -> str:
        """Athena workgroup of people who query the lake."""
        return f"{self.prefix}-analysts"

    @property
    def planners_workgroup(self) -> str:
        """Athena workgroup of dashboards and of those who read nothing but marts."""
        return f"{self.prefix}-planners"

    @property
    def state_machine(self) -> str:
        """Step Functions state machine of the hourly run."""
        return f"{self.prefix}-hourly"

    @property
    def steps_project(self) -> str:
        """CodeBuild project that runs the steps which are dbt or plain Python."""
        return f"{self.prefix}-steps"

    @property
    def unstarted_queue(self) -> str:
        """SQS queue of the runs and daily jobs that the scheduler could not start."""
        return f"{self.prefix}-unstarted"

    @property
    def operators_topic(self) -> str:
        """SNS topic of whoever operates the system: alarms and failed runs."""
        return f"{self.prefix}-operators"

    def glue_job(self, module: str) -> str:
        """Return the name of the Glue job that runs `glue_jobs.<module>`."""
        return f"{self.prefix}-{module.replace('_', '-')}"

    @property
    def alert_thresholds(self) -> Thresholds:
        """When a segment is congested. Raises ValueError for levels that cannot work together."""
        return Thresholds(warning=self.alert_warning, critical=self.alert_critical, clear=self.alert_clear)

    def environment(self) -> dict[str, str]:
        """Return the variables that give a process these settings: those that are not the defaults."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}
        return {f"TRAFFICLAKE_{name.upper()}": text for name, text in texts.items()}

    @property
    def buffering_interval_s(self) -> int:
        """Firehose buffering: seconds a reading waits at most. A laptop wants to see its reading soon."""
        return 5 if self.stage == "local" else 300

    @property
    def buffering_size_mb(self) -> int:
        """Firehose buffering: 64 MB is the least that record format conversion allows, 128 the most."""
        return 64 if self.stage == "local" else 128


def problems(error: ValidationError | SettingsError) -> str:
    """Return which settings cannot be used, and why, as one line."""
    if isinstance(error, SettingsError):  # what should be JSON and is none
        return f"{error}: {error.__cause__}"
    prefix = "TRAFFICLAKE_" if error.title == CitySettings.__name__ else ""
    return "; ".join(
        f"{prefix}{'.'.join(str(part) for part in each['loc']).upper() or '*'}: {each['msg']}"
        for each in error.errors()
    )


@cache
def settings() -> CitySettings:
    """Return the settings of this process, read from the environment once."""
    return CitySettings()
