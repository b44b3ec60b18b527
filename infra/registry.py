"""A city's registry, from a file or a data set into the lake, with words for each row that is refused."""

from dataclasses import dataclass

from pyiceberg.exceptions import CommitFailedException, ValidationException
from rich.markup import escape

from infra import console
from infra.errors import FailedError
from infra.reference_snapshot import publish_reference
from infra.settings import settings
from ingestion import formats
from ingestion.errors import UnusableFileError
from ingestion.iceberg_catalog import open_catalog
from ingestion.registry.load import load_registry
from ingestion.registry.rows import RegistryRow, check_rows, read_registry


@dataclass(frozen=True)
class Usable:
    """The rows that can be used, and how many cannot."""

    rows: list[RegistryRow]
    refused: int


def read(input_format: str, file: str) -> Usable:
    """Read a registry and say what is refused; nothing is loaded yet.

    Raises UnusableFileError when nothing of it can be used.
    """
    if input_format == "canonical":
        rows, findings = read_registry(file)
    else:
        rows, findings = check_rows(formats.registry_rows(input_format, file))
    for finding in findings:
        word, color = ("refused", "red") if finding.refused else ("note", "yellow")
        said = f"{finding.sensor_id or '(no sensor)'} {finding.column}={finding.value!r}: {finding.reason}"
        console.err.print(f"[{color}]line {finding.line}, {word}[/{color}]: {escape(said)}")
    if not rows:
        raise UnusableFileError(f"{file} holds no usable row; nothing was loaded.")
    return Usable(rows, sum(finding.refused for finding in findings))


def load(usable: Usable) -> None:
    """Load the rows at this process's home and say what they changed.

    Raises FailedError when another load commits at the same time.
    """
    catalog = open_catalog()
    try:
        report = load_registry(usable.rows, catalog)
    except (CommitFailedException, ValidationException) as error:
        raise FailedError("another load has just changed the registry; load the file again") from error
    publish_reference(catalog, settings())
    console.out.print(
        f"{len(usable.rows):,} rows usable, {usable.refused:,} refused; sensors: {report.sensors_new:,} new, "
        f"{report.sensors_changed:,} changed, {report.sensors_unchanged:,} unchanged; "
        f"now {report.sensors:,} sensors, {report.segments:,} segments, {report.zones:,} zones"
    )
    if report.hours_to_recompute:
        console.out.print(f"{report.hours_to_recompute:,} hours are to be computed again: trafficlake run")
