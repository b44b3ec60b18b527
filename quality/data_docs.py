"""HTML data docs of validation results: built into a folder by Great Expectations, then copied to the docs bucket."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import boto3

from quality.results import ValidationResult
from quality.suites import new_context


def build(results: Iterable[ValidationResult], folder: Path, run_time: datetime) -> Path:
    """Write the site of these results into the folder and return its index page."""
    from great_expectations import ExpectationSuite  # noqa: PLC0415
    from great_expectations.core import ExpectationSuiteValidationResult  # noqa: PLC0415
    from great_expectations.core.run_identifier import RunIdentifier  # noqa: PLC0415
    from great_expectations.data_context.types.resource_identifiers import (  # noqa: PLC0415
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = new_context()
    run = RunIdentifier(run_name=f"{run_time:%Y-%m-%dT%H:%M:%SZ}", run_time=run_time)
    for result in results:
        configurations = [found["expectation_config"] for found in result.document["results"]]
        context.suites.add_or_update(ExpectationSuite(name=result.suite, expectations=configurations))
        key = ValidationResultIdentifier(ExpectationSuiteIdentifier(result.suite), run, batch_identifier=result.suite)
        document = {**result.document, "meta": {**result.document["meta"], "run_id": run.to_json_dict()}}
        context.validation_results_store.set(key, ExpectationSuiteValidationResult(**document))
    context.add_data_docs_site(
        "quality",
        {
            "class_name": "SiteBuilder",
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.build_data_docs(site_names=["quality"])
    return folder / "index.html"


def publish(results: Iterable[ValidationResult], bucket: str, prefix: str) -> str:
    """Build the site of these results, copy it to `s3://<bucket>/<prefix>` and return the address of its index page.

    The pages of earlier runs stay; the index shows the latest.
    """
    with tempfile.TemporaryDirectory() as folder:
        build(results, Path(folder), datetime.now(UTC))
        s3 = boto3.client("s3")
        for page in sorted(Path(folder).rglob("*")):
            if page.is_file():
                kind = mimetypes.guess_type(page.name)[0] or "application/octet-stream"
                key = prefix + page.relative_to(folder).as_posix()
                s3.upload_file(str(page), bucket, key, ExtraArgs={"ContentType": kind})
    return f"s3://{bucket}/{prefix}index.html"
