"""What a run has to do: the arrival hours whose landing objects are new or changed since they were curated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import boto3
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from infra.runners.events import Range
from ingestion.contract.landing import PREFIXES, LandingObject, hour_path, landing_object

HOUR = timedelta(hours=1)
PROCESSED = "curated.processed_objects"
# More than this in one range makes a Spark job that a laptop's memory does not hold.
MAX_BYTES_PER_RANGE = 1 << 30
# Curation lists every hour of its range.
MAX_GAP = timedelta(days=1)
# What a delivery takes beyond its buffering interval.
DELIVERY_MARGIN_S = 5.0


@dataclass(frozen=True)
class LandingHour:
    """The objects of one arrival hour: their paths with ETags, and their size."""

    objects: Mapping[str, str]
    size: int


def arrival_hours_to_process(
    raw_bucket: str, catalog: Catalog, start: datetime | None = None, end: datetime | None = None
) -> list[Range]:
    """Return the arrival hours to curate as sorted half-open ranges, naive UTC.

    Without bounds: the hours that hold an object which was not curated as it is now. With bounds: every hour of
    `[start, end)` that holds an object. Objects that are gone ask for nothing: landing objects expire.
    """
    landed = landed_hours(raw_bucket)
    if start is not None or end is not None:
        wanted = {hour for hour in landed if (start is None or hour >= start) and (end is None or hour < end)}
    else:
        done = processed_objects(catalog)
        wanted = {hour for hour, found in landed.items() if any(done.get(k) != v for k, v in found.objects.items())}
    return join_hours(wanted, {hour: found.size for hour, found in landed.items()})


def join_hours(wanted: set[datetime], sizes: Mapping[datetime, int]) -> list[Range]:
    """Join the wanted hours to ranges of at most 1 GiB: over a night where nothing landed, never over a done hour."""
    ranges: list[Range] = []
    size, joinable = 0, False
    for hour in sorted(sizes):
        if hour not in wanted:
            joinable = False
            continue
        near = joinable and hour - ranges[-1][1] <= MAX_GAP
        if near and size + sizes[hour] <= MAX_BYTES_PER_RANGE:
            ranges[-1] = (ranges[-1][0], hour + HOUR)
            size += sizes[hour]
        else:
            ranges.append((hour, hour + HOUR))
            size, joinable = sizes[hour], True
    return ranges


def landed_hours(raw_bucket: str) -> dict[datetime, LandingHour]:
    """List the landing objects by arrival hour: one listing for each kind, no request per hour."""
    objects: dict[datetime, dict[str, str]] = defaultdict(dict)
    sizes: dict[datetime, int] = defaultdict(int)
    with ThreadPoolExecutor() as pool:
        listings = pool.map(lambda kind: list(_listing(raw_bucket, kind)), PREFIXES)
    for found in (each for listing in listings for each in listing):
        objects[found.arrival_hour][found.path] = found.etag
        sizes[found.arrival_hour] += found.size
    return {hour: LandingHour(found, sizes[hour]) for hour, found in objects.items()}


def seconds_until_delivered(raw_bucket: str, buffering_interval_s: int, now: datetime) -> float:
    """Return how long what was put on the stream may still be under way to the landing bucket; 0: it has landed.

    A sender writes its count when it is done; what it sent lands one buffering interval later. Counted before that,
    its hour would look as if readings were lost.
    """
    s3 = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2")
    prefixes = [f"{PREFIXES['sent']}{hour_path(hour)}kinesis-" for hour in (now, now - HOUR)]
    found = (page for prefix in prefixes for page in pages.paginate(Bucket=raw_bucket, Prefix=prefix))
    noted = [entry["LastModified"] for page in found for entry in page.get("Contents", ())]
    if not noted:
        return 0.0
    delivered = max(noted) + timedelta(seconds=buffering_interval_s + DELIVERY_MARGIN_S)
    return max(0.0, (delivered - now).total_seconds())


def processed_objects(catalog: Catalog) -> dict[str, str]:
    """Return path and ETag of every object that was curated; nothing before the first run."""
    try:
        table = catalog.load_table(PROCESSED)
    except NoSuchTableError:
        return {}
    rows = table.scan(selected_fields=("object_path", "etag")).to_arrow()
    return dict(zip(rows["object_path"].to_pylist(), rows["etag"].to_pylist(), strict=True))


def _listing(bucket: str, kind: str) -> Iterator[LandingObject]:
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIXES[kind])
    found = (landing_object(bucket, kind, entry) for page in pages for entry in page.get("Contents", ()))
    return filter(None, found)
