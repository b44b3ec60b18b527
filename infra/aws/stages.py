"""The stages that can be deployed, and what differs between them. A city edits the entry that it deploys.

What an entry does not say of a city's settings comes from the environment, as it does for every command.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.settings import AlertRoute, CitySettings


class Stage(BaseModel):
    """One deployment: the city's settings, and those that only AWS has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: CitySettings
    shards: int | None = Field(None, ge=1, description="shards of each stream; none for on demand")
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
    tags: dict[str, str] = Field(default_factory=dict, description="tags of all resources")


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
        tags={"application": "trafficlake", "stage": "prod"},
    ),
    "test": Stage(
        city=CitySettings(stage="test", bucket_suffix="-example-city"),
        shards=1,
        stream_retention_h=24,
        keeps_data=False,
        tags={"application": "trafficlake", "stage": "test"},
    ),
}
