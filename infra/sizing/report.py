"""A plan as people read it."""

from collections.abc import Iterable, Iterator

from infra import console
from infra.sizing.plan import ASSUMPTIONS, Line, Plan, not_priced, own, total, warnings
from infra.sizing.prices import PriceTable

_COLUMNS = ("", "item", "a day", "unit", "$ a day")


def show(plan: Plan, table: PriceTable) -> None:
    """Print resources, lines by group, the naive design, and what the figures stand on."""
    city = plan.resources.city
    console.out.print(
        f"[bold]{city.sensors:,} sensors, a reading every {city.interval_s:,} s[/bold]: "
        f"{city.readings_per_s:,.1f} readings/s, {city.segments:,} segments, {city.bytes_per_reading} bytes a reading"
    )
    console.out.print(console.table("Needed", ("what", "how much"), _needed(plan)))
    console.out.print(console.table("Cost", _COLUMNS, _rows(plan.lines)))
    console.out.print(console.table("Naive design", _COLUMNS, _rows(plan.naive)))
    console.out.print(
        f"[bold]${total(plan.lines):,.2f} a day[/bold] against ${total(plan.naive):,.2f} of the naive design; "
        f"without what both have in common (devices, first stream, Firehose) ${own(plan.lines):,.2f} "
        f"against ${own(plan.naive):,.2f}"
    )
    for warning in warnings(plan):
        console.out.print(f"[yellow]{warning}[/yellow]")
    missing = not_priced(plan)
    if missing:
        console.out.print(f"[yellow]not priced, and in no sum: {'; '.join(missing)}[/yellow]")
    console.out.print(
        f"Prices of {table.region}, looked up on {table.read}; "
        "day and source of each: infra/sizing/prices.yaml, --output json"
    )
    for sentence in ASSUMPTIONS:
        console.out.print(f"· {sentence}", style="dim")


def _needed(plan: Plan) -> Iterator[tuple[str, str]]:
    need = plan.resources
    for name, stream in (("readings", need.readings_stream), ("segment-readings", need.segment_stream)):
        yield (
            f"Kinesis stream {name}",
            f"{plan.stream_modes[name]}, shards: {stream.shards}, for {stream.records_per_s:,.0f} records/s, "
            f"{stream.bytes_per_s / 1e6:,.2f} MB/s",
        )
    for name, function in need.functions.items():
        yield (
            f"function {name}",
            f"{function.memory_mb} MB, {function.invocations:,.0f} calls a day of {function.duration_s * 1000:,.0f} ms",
        )
    yield "DynamoDB", f"{need.write_units / 1e6:,.1f} million write units a day, {need.table_gb:,.0f} GB kept"
    yield "Firehose", f"{need.firehose_files_per_hour} objects an hour, Parquet and source backup"
    yield "Glue", f"{need.glue.workers} workers G.1X, {need.glue.seconds_per_run:,.0f} s an hour"
    yield "S3", f"{need.raw_gb + need.lake_gb:,.1f} GB more a day"
    yield "Athena", f"{need.dbt_scan_gb:,.0f} GB scanned a day by dbt, {need.query_scan_gb:,.0f} GB by queries"


def _rows(lines: tuple[Line, ...]) -> Iterable[tuple[object, ...]]:
    group = ""
    for line in lines:
        cost = "not priced" if line.usd_per_day is None else line.usd_per_day
        yield ("" if line.group == group else line.group, line.item, line.quantity, line.unit, cost)
        group = line.group
    yield "total", "", None, "", total(lines)
