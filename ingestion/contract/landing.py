"""The landing layout: where objects of the raw bucket lie, what their names say, and which of them count.

Whoever writes, plans or reads landing objects asks here. Two rules that differ by one object would make a run find
an hour that curation never finishes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingestion.contract.glue import LANDING

# Kind of object → prefix in the raw bucket.
PREFIXES = {
    "readings": LANDING["raw.sensor_readings"][0],
    "errors": LANDING["raw.delivery_errors"][0],
    "sent": LANDING["raw.sent_batches"][0],
}
NAME_TIME = r"-(\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2})-[^/]*$"
_NAME_TIME = re.compile(NAME_TIME)
_NAME_TIME_FORMAT = "%Y-%m-%d-%H-%M-%S"
_HOUR_PATH_FORMAT = "dt=%Y-%m-%d/hour=%H/"
_HOUR_PATH = re.compile(r"dt=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/")


@dataclass(frozen=True, kw_only=True)
class LandingObject:
    """One object of the raw bucket; `name_time` is the arrival of its oldest record (UTC, whole seconds)."""

    path: str
    kind: str
    etag: str
    size: int
    arrival_hour: datetime
    name_time: str

    @property
    def object_time(self) -> datetime:
        """Return `name_time` as a time."""
        return datetime.strptime(self.name_time, _NAME_TIME_FORMAT)


def landing_object(bucket: str, kind: str, entry: Mapping[str, Any]) -> LandingObject | None:
    """Return an entry of an S3 listing as an object; None for what is empty or lies outside the hours' folders."""
    key, prefix = entry["Key"], PREFIXES[kind]
    place = _HOUR_PATH.match(key, len(prefix)) if key.startswith(prefix) else None
    if place is None or not entry["Size"]:
        return None
    day, hour = place.groups()
    try:
        arrival_hour = datetime.fromisoformat(f"{day}T{hour}:00:00")
    except ValueError:  # digits that are no hour, such as hour=24
        return None
    name_time = _NAME_TIME.search(key)
    return LandingObject(
        path=f"s3://{bucket}/{key}",
        kind=kind,
        etag=entry["ETag"].strip('"'),
        size=entry["Size"],
        arrival_hour=arrival_hour,
        name_time=name_time.group(1) if name_time else f"{day}-{hour}-00-00",
    )


def hour_path(arrival: datetime) -> str:
    """Return the partition of an arrival (aware), `dt=YYYY-MM-DD/hour=HH/`, in UTC."""
    return arrival.astimezone(UTC).strftime(_HOUR_PATH_FORMAT)


def object_name(sender: str, first_arrival: datetime, unique: str) -> str:
    """Return the name of an object as Firehose names its own: by the sender, its oldest arrival and what is unique."""
    return f"{sender}-1-{first_arrival.astimezone(UTC).strftime(_NAME_TIME_FORMAT)}-{unique}"
