"""What the functions are told by their environment; `infra` sets it, from the city's settings."""

import os
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

import orjson

from ingestion.alerts.thresholds import Thresholds


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """Names of what the functions use, and what they judge by."""

    lake_bucket: str
    segment_stream: str
    state_table: str
    thresholds: Thresholds
    silence_after_s: int
    time_zone: ZoneInfo
    dashboard_url: str


@cache
def settings() -> FunctionSettings:
    """Return the settings of this process. Raises KeyError for a variable that is missing."""
    variables = os.environ
    return FunctionSettings(
        lake_bucket=variables["LAKE_BUCKET"],
        segment_stream=variables["SEGMENT_STREAM"],
        state_table=variables["STATE_TABLE"],
        thresholds=Thresholds(**orjson.loads(variables["THRESHOLDS"])),
        silence_after_s=int(variables["SILENCE_AFTER_S"]),
        time_zone=ZoneInfo(variables["CITY_TIME_ZONE"]),
        dashboard_url=variables["DASHBOARD_URL"],
    )
