"""The stages that can be deployed, and what differs between them. A city edits the entry that it deploys.

What an entry does not say of a city's settings comes from the environment, as it does for every command.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.settings import AlertRoute, CitySettings
from infra.sizing.plan import Plan, make_plan
from infra.sizing.prices import load
from infra.sizing.resources import City

# The end of its ARN: the account is that of the credentials.
QuickSightPrincipal = Annotated[str, Field(pattern=r"^(user|group)/[^/]+/.+$")]


# "General purpose bucket naming rules"
LONGEST_BUCKET_NAME = 63


class Stage(BaseModel):
    """One deployment: the city's settings, and those that only AWS has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: CitySettings
    sensors: int = Field(ge=1, description="how many sensors the city has")
    interval_s: int = Field(ge=1, description="seconds between two readings of a sensor")
    capacity: Literal["sized", "on-demand"] = Field(
        "sized", description="of the streams: as `trafficlake plan` says, or whatever comes, at its price"
    )
    replica_region: str | None = Field(None, description="region that raw and lake are copied to; none for no copy")
    stream_retention_h: int = Field(48, ge=24, le=8760, description="how long the streams keep records")
    raw_infrequent_after_days: int = Field(30, ge=30, description="age of landing objects that are seldom read")
    raw_archive_after_days: int = Field(90, ge=60, description="age of landing objects that are kept at least cost")
    results_expire_after_days: int = Field(30, ge=1, description="how long results of queries are kept")
    old_versions_expire_after_days: int = Field(30, ge=1, description="how long what was overwritten is kept")
    access_logs_expire_after_days: int = Field(365, ge=1, description="how long it is kept who read what")
    log_retention: Literal["ONE_WEEK", "TWO_WEEKS", "ONE_MONTH", "THREE_MONTHS", "ONE_YEAR"] = Field(
        "ONE_WEEK", description="how long logs of functions and deliveries are kept"
    )
    run_minute: int = Field(10, ge=0, le=59, description="minute of every hour at which the hourly run starts")
    daily_hour: int = Field(3, ge=0, le=23, description="hour, UTC, in which the daily jobs start")
    steps_compute: Literal["BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE"] = Field(
        "BUILD_GENERAL1_SMALL", description="machine that runs dbt and the expectations"
    )
    keeps_data: bool = Field(True, description="whether buckets, streams, tables and keys outlive their stack")
    scan_limit_gb: int = Field(50, ge=1, description="most that one query of an analyst or a dashboard may scan")
    pipeline_scan_limit_gb: int = Field(2000, ge=1, description="most that one query of the hourly run may scan")
    has_default_database: bool = Field(
        False, description="whether the account has a Glue database `default` already, as Athena's console makes one"
    )
    operator_emails: tuple[str, ...] = Field((), description="who is told of alarms, failed runs and the budget")
    readings_floor_share: float = Field(0.5, gt=0, lt=1, description="share of the sensors' readings that must arrive")
    bad_readings_share: float = Field(0.05, gt=0, le=1, description="share of readings that may be unusable")
    behind_after_s: int = Field(300, ge=60, description="age of records above which a reader of a stream is behind")
    landing_late_after_s: int = Field(600, ge=360, description="age of a reading above which it has landed too late")
    run_late_after_h: int = Field(3, ge=2, le=24, description="hours without a run that succeeds")
    budget_margin: float = Field(1.3, ge=1, description="what a month may cost, in times of what the plan says")
    data_events: bool = Field(False, description="whether CloudTrail records each access to raw and lake objects")
    quicksight_readers: tuple[QuickSightPrincipal, ...] = Field(
        (), description="who reads the dashboards; none leaves QuickSight out, which needs a subscription and its users"
    )
    quicksight_authors: tuple[QuickSightPrincipal, ...] = Field((), description="who also own the analyses")
    quicksight_zones: dict[QuickSightPrincipal, tuple[str, ...]] = Field(
        default_factory=dict,
        description="zones that each sees, none for all; who is not in it sees no row. Empty: everybody sees all",
    )
    quicksight_identity_region: str | None = Field(
        None, description="where QuickSight's users are; none for the city's"
    )
    tags: dict[str, str] = Field(default_factory=dict, description="tags of all resources")

    @model_validator(mode="after")
    def _is_copied_elsewhere(self) -> "Stage":
        if self.replica_region == self.city.region:
            raise ValueError(f"a copy in {self.city.region} would be lost with it: replica_region is another region")
        return self

    @model_validator(mode="after")
    def _is_taken_by_aws(self) -> "Stage":
        # "Transition actions": S3 keeps objects in Infrequent Access for 30 days at least.
        if self.raw_archive_after_days < self.raw_infrequent_after_days + 30:
            raise ValueError("raw_archive_after_days is at least 30 days more than raw_infrequent_after_days")
        copy = "-replica" if self.replica_region else ""
        longest = f"{self.city.prefix}{copy}-access-logs{self.city.bucket_suffix}"
        if len(longest) > LONGEST_BUCKET_NAME:
            raise ValueError(
                f"bucket_suffix is too long: {longest} has {len(longest)} characters, and a bucket's name "
                f"{LONGEST_BUCKET_NAME} at most"
            )
        for route in self.city.alert_routes:
            if route.webhook_url and not route.webhook_url.startswith("https://"):
                raise ValueError(f"webhook_url of the route {route.name} begins with https://, as EventBridge demands")
        return self


def plan_of(stage: Stage) -> Plan:
    """Return what `trafficlake plan` says for the stage's city: the stacks take their sizes from it."""
    return make_plan(City(sensors=stage.sensors, interval_s=stage.interval_s), load())


STAGES = {
    "prod": Stage(
        city=CitySettings(
            stage="prod",
            bucket_suffix="-example-city",
            alert_routes=(
                AlertRoute(name="operators", emails=("traffic-operators@example.org",)),
                AlertRoute(name="control-room", levels=("CRITICAL",), webhook_url="https://control-room.example.org/"),
            ),
        ),
        sensors=50_000,
        interval_s=20,
        operator_emails=("lake-operators@example.org",),
        quicksight_readers=("group/default/traffic-planners", "group/default/centre-planners"),
        quicksight_authors=("group/default/traffic-analysts",),
        quicksight_zones={
            "group/default/traffic-planners": (),
            "group/default/traffic-analysts": (),
            "group/default/centre-planners": ("centre",),
        },
        tags={"application": "trafficlake", "stage": "prod"},
    ),
    "test": Stage(
        city=CitySettings(stage="test", bucket_suffix="-example-city"),
        sensors=200,
        interval_s=60,
        stream_retention_h=24,
        keeps_data=False,
        tags={"application": "trafficlake", "stage": "test"},
    ),
}
