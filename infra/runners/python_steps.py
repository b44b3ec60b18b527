"""The steps of the run that are plain Python: its plan, the audit of the marts, and the end of the run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from pyiceberg.catalog import Catalog

from infra import reference_snapshot
from infra.pipeline import PLAN_KEY, utc_text
from infra.runners import metrics, pending, planning
from infra.runners.events import Range
from infra.settings import CitySettings
from quality import data_docs, marts
from quality.results import ValidationResult


@dataclass
class RunContext:
    """What Python steps work on: the run's name, the arrival hours that were asked for (naive UTC; None: all new ones).

    A step adds what it finds. Nothing of that is needed by a later step, which may be a process of its own.
    """

    city: CitySettings
    catalog: Catalog
    run: str
    start: datetime | None
    end: datetime | None
    on_wait: Callable[[str], None]
    ranges: list[Range] = field(default_factory=list)
    validations: list[ValidationResult] = field(default_factory=list)
    docs: str | None = None


def plan(context: RunContext) -> Mapping[str, Any]:
    """Write the plan of the run: the ranges of arrival hours to curate, and whether hours are pending already.

    Waits until what was sent a moment ago has landed, so that no hour is judged while readings are under way.
    """
    city = context.city
    seconds = planning.seconds_until_delivered(city.raw_bucket, city.buffering_interval_s, datetime.now(UTC))
    if seconds:
        context.on_wait(f"{math.ceil(seconds)} s until what was just sent has landed")
        time.sleep(seconds)
    context.ranges = planning.arrival_hours_to_process(city.raw_bucket, context.catalog, context.start, context.end)
    document = {
        "ranges": [{"from_hour": utc_text(start), "to_hour": utc_text(end)} for start, end in context.ranges],
        "pending": bool(pending.read(context.catalog)),
    }
    body = json.dumps(document).encode()
    key = PLAN_KEY.format(context.run)
    boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=key, Body=body, ContentType="application/json")
    return {"rows": len(context.ranges), "pending": document["pending"]}


def expectations(context: RunContext) -> Mapping[str, Any]:
    """Check the rows of the marts that the hours of the run's roll-up touch, and publish data docs, also of a failure.

    Raises quality.results.ExpectationsFailedError.
    """
    metrics.publish(context.catalog, context.city, datetime.now(UTC).replace(tzinfo=None))
    taken = pending.taken(context.catalog, context.run)
    results = marts.audit(taken.event, taken.arrival, workgroup=context.city.workgroup)
    context.validations.extend(results)
    context.docs = data_docs.publish(results, context.city.docs_bucket, marts.DOCS_PREFIX)
    marts.require(results)
    return {"rows": sum(result.rows for result in results), "expectations": sum(len(r.outcomes) for r in results)}


def publish(context: RunContext) -> Mapping[str, Any]:
    """Publish what the alerts judge by, and remove the pending hours that the run's roll-up took.

    Hours that were added meanwhile stay.
    """
    reference_snapshot.publish_reference(context.catalog, context.city)
    reference_snapshot.publish_usual(context.city)
    return {"rows": pending.remove(context.catalog, pending.taken(context.catalog, context.run))}
