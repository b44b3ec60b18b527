"""The steps of the run that are plain Python: the audit of the marts, and the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyiceberg.catalog import Catalog

from infra import reference_snapshot
from infra.runners import metrics, pending
from infra.runners.pending import PendingHours
from infra.settings import CitySettings
from quality import data_docs, marts
from quality.results import ValidationResult


@dataclass
class RunContext:
    """What Python steps work on: the hours that were pending when the downstream steps began."""

    city: CitySettings
    catalog: Catalog
    consumed: PendingHours
    validations: list[ValidationResult]
    docs: str | None = None


def expectations(context: RunContext) -> Mapping[str, Any]:
    """Check the touched rows of the marts and publish data docs, also of a failure.

    Raises quality.results.ExpectationsFailedError.
    """
    metrics.publish(context.catalog, context.city, datetime.now(UTC).replace(tzinfo=None))
    results = marts.audit(context.consumed.event, context.consumed.arrival, workgroup=context.city.workgroup)
    context.validations.extend(results)
    context.docs = data_docs.publish(results, context.city.docs_bucket, marts.DOCS_PREFIX)
    marts.require(results)
    return {"rows": sum(result.rows for result in results), "expectations": sum(len(r.outcomes) for r in results)}


def publish(context: RunContext) -> Mapping[str, Any]:
    """Publish what the alerts judge by, and remove the pending hours that this run has dealt with.

    Hours that were added meanwhile stay.
    """
    reference_snapshot.publish_reference(context.catalog, context.city)
    reference_snapshot.publish_usual(context.city)
    return {"rows": pending.remove(context.catalog, context.consumed)}
