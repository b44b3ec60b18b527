"""The audit of a curated batch: the suite generated from the contract, on a Spark frame, before it is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion.contract.expectations import curated_expectations
from quality.data_docs import publish
from quality.results import ExpectationsFailedError, ValidationResult
from quality.suites import run_suite

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SUITE = "curated.readings"
DOCS_PREFIX = "quality/curated/"
NEXT_STEP = (
    "Nothing was published: the batch stays on its audit branch of curated.readings for inspection. Correct the cause "
    "(the contract, the sender or the curation) and run again; the same hours are then curated anew."
)


def validate(frame: DataFrame, docs_bucket: str | None = None) -> ValidationResult:
    """Check the touched hours of `curated.readings` (one row per sensor_id and ts) against the contract.

    Publishes data docs where there is a bucket for them, also of a failure. Raises ExpectationsFailedError, with the
    result, when an expectation does not hold.
    """
    result = run_suite(SUITE, curated_expectations(), frame, "spark")
    if docs_bucket:
        publish([result], docs_bucket, DOCS_PREFIX)
    if not result.success:
        raise ExpectationsFailedError([result], NEXT_STEP)
    return result
