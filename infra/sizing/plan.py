"""What a city's resources cost a day, line by line, and what the naive design would cost in their place."""

from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from infra.sizing import measured
from infra.sizing.prices import PriceTable
from infra.sizing.resources import (
    DAY_S,
    GB,
    ITEM_OVERHEAD_BYTES,
    RUNS_PER_DAY,
    WRITE_UNIT_BYTES,
    City,
    Resources,
    Stream,
    size,
)
from ingestion.alerts.items import EXPIRES_AFTER_S
from ingestion.alerts.segment_stream import GROUPS

MONTH_DAYS = 365 / 12
MILLION = 1_000_000
ASSUMPTIONS = (
    "Readings come at an even rate. Devices that all report at the same second need as many shards as at one second.",
    "Processor times are those of a laptop's core, taken for an AWS vCPU; nothing was run on AWS.",
    "Changes of alerts, zones, queries, readers and times of installation are estimates: infra/sizing/measured.py.",
    f"Storage is that of {measured.LAKE_DAYS} days in S3 and of {EXPIRES_AFTER_S // DAY_S} days in DynamoDB; "
    "the first day costs less.",
    "Left out: KMS, Secrets Manager, dead-letter queues, the archive of events, CloudTrail, replication, S3 reads, "
    "network, SPICE above what authors bring, free tier, discounts, support and taxes.",
)


@dataclass(frozen=True)
class Line:
    """A line of the bill. `quantity` is a day's, in `unit`; None as `usd_per_day` where there is no price.

    `shared` lines are those of every design that takes readings in through IoT Core, Kinesis and Firehose.
    """

    group: str
    item: str
    quantity: float
    unit: str
    usd_per_day: float | None
    price: str | None
    shared: bool = False


@dataclass(frozen=True)
class Plan:
    """What a city needs and costs, and what the naive design costs."""

    resources: Resources
    stream_modes: dict[str, str]
    lines: tuple[Line, ...]
    naive: tuple[Line, ...]


def make_plan(city: City, table: PriceTable) -> Plan:
    """Return the plan of a city."""
    resources = size(city)
    modes = {
        "readings": stream_mode(resources.readings_stream, table),
        "segment-readings": stream_mode(resources.segment_stream, table),
    }
    lines = _lines(resources, modes, table)
    return Plan(resources, modes, lines, _naive(resources, lines, table))


def total(lines: tuple[Line, ...]) -> float:
    """Return the dollars a day of all lines that have a price."""
    return sum(line.usd_per_day or 0 for line in lines)


def own(lines: tuple[Line, ...]) -> float:
    """Return the dollars a day of the lines that only this design has."""
    return total(tuple(line for line in lines if not line.shared))


def stream_mode(stream: Stream, table: PriceTable) -> str:
    """Return the cheaper capacity mode, provisioned or on-demand; provisioned where a price is missing."""
    provisioned, on_demand = (
        [_usd_per_day(name, quantity, table) for name, quantity in quantities.items()]
        for quantities in (_provisioned(stream), _on_demand(stream))
    )
    if None in provisioned or None in on_demand:
        return "provisioned"
    return "provisioned" if sum(provisioned) <= sum(on_demand) else "on-demand"


def _provisioned(stream: Stream) -> dict[str, float]:
    """Return what provisioned mode bills a day, by the name of the price."""
    return {"kinesis_shard": stream.shards * 24, "kinesis_put": stream.put_units / MILLION}


def _on_demand(stream: Stream) -> dict[str, float]:
    return {
        "kinesis_on_demand_stream": 24,
        "kinesis_on_demand_in": stream.on_demand_gb_in,
        "kinesis_on_demand_out": stream.on_demand_gb_out,
    }


def _usd_per_day(name: str, quantity: float, table: PriceTable) -> float | None:
    """Return the dollars of a day's quantity; tiers are those of a month of such days."""
    of_month = table.prices[name].of_month(quantity * MONTH_DAYS)
    return None if of_month is None else of_month / MONTH_DAYS


def _lines(need: Resources, modes: dict[str, str], table: PriceTable) -> tuple[Line, ...]:
    def line(group: str, item: str, name: str, quantity: float) -> Line:
        return Line(group, item, quantity, table.prices[name].unit, _usd_per_day(name, quantity, table), name)

    def stream(group: str, name: str, of: Stream) -> list[Line]:
        quantities = _provisioned(of) if modes[name] == "provisioned" else _on_demand(of)
        return [line(group, f"stream {name}", price, quantity) for price, quantity in quantities.items()]

    calls = sum(function.invocations for function in need.functions.values())
    ingress = (
        line("devices", "connections", "iot_connection", need.connection_minutes / MILLION),
        line("devices", "messages", "iot_message", need.messages / MILLION),
        line("devices", "rules triggered", "iot_rule", need.rules_triggered / MILLION),
        line("devices", "rule actions", "iot_action", need.rule_actions / MILLION),
        *stream("landing", "readings", need.readings_stream),
        line("landing", "Firehose", "firehose_ingestion", need.firehose_gb),
    )
    return (
        *(replace(each, shared=True) for each in ingress),
        line("landing", "Firehose to Parquet", "firehose_conversion", need.firehose_gb),
        *stream("alerts", "segment-readings", need.segment_stream),
        line("alerts", "function calls", "lambda_request", calls / MILLION),
        *(
            line("alerts", f"function {name}", "lambda_duration", function.gb_s)
            for name, function in need.functions.items()
        ),
        line("alerts", "DynamoDB writes", "dynamodb_write", need.write_units / MILLION),
        line("alerts", "DynamoDB reads", "dynamodb_read", need.read_units / MILLION),
        line("alerts", "DynamoDB storage", "dynamodb_storage", need.table_gb / MONTH_DAYS),
        line("alerts", "DynamoDB recovery", "dynamodb_recovery", need.table_gb / MONTH_DAYS),
        line("alerts", "pipe", "pipe_request", need.changes / MILLION),
        line("alerts", "event bus", "bus_event", need.changes / MILLION),
        line("alerts", "SNS", "sns_publish", need.changes / MILLION),
        line("alerts", "e-mails to one address", "sns_email", need.changes / 100_000),
        line("lake", "Glue jobs", "glue_dpu", need.glue.dpu_hours),
        line("lake", "dbt in CodeBuild", "codebuild_minute", need.dbt_minutes),
        line("lake", "dbt in Athena", "athena_scan", need.dbt_scan_gb / 1024),
        line("lake", "Step Functions", "state_transition", need.state_transitions / 1000),
        line("storage", "S3 raw, first 30 days", "s3_standard", need.raw_standard_gb / MONTH_DAYS),
        line("storage", "S3 raw, to 90 days", "s3_infrequent", need.raw_infrequent_gb / MONTH_DAYS),
        line("storage", "S3 raw, later", "s3_instant_archive", need.raw_archive_gb / MONTH_DAYS),
        line("storage", "S3 lake", "s3_standard", need.lake_total_gb / MONTH_DAYS),
        line("storage", "S3 puts", "s3_put", need.s3_puts / 1000),
        line("people", f"{measured.QUERIES_PER_DAY} queries", "athena_scan", need.query_scan_gb / 1024),
        line("people", f"{measured.AUTHORS} QuickSight authors", "quicksight_author", measured.AUTHORS / MONTH_DAYS),
        line("people", f"{measured.READERS} QuickSight readers", "quicksight_reader", measured.READERS / MONTH_DAYS),
        line("watch", "metrics", "metric", need.custom_metrics / MONTH_DAYS),
        line("watch", "logs", "log", need.log_gb),
        line("watch", "alarms", "alarm", need.alarms / MONTH_DAYS),
    )


def _naive(need: Resources, lines: tuple[Line, ...], table: PriceTable) -> tuple[Line, ...]:
    """Return the lines of one DynamoDB put per reading with one index, and of raw JSON that every query scans.

    In its favour: its function costs nothing, nothing is recovered, and a query scans one day only.
    """
    city = need.city
    ingress = tuple(line for line in lines if line.shared)
    writes = 2 * city.readings_per_day * ceil(city.bytes_per_reading / WRITE_UNIT_BYTES)
    kept = city.readings_per_day * EXPIRES_AFTER_S / DAY_S * 2 * (city.bytes_per_reading + ITEM_OVERHEAD_BYTES)
    day_gb = city.readings_per_day * city.bytes_per_reading / GB
    scanned_gb = day_gb * (measured.QUERIES_PER_DAY + RUNS_PER_DAY)

    def line(item: str, name: str, quantity: float) -> Line:
        return Line("naive", item, quantity, table.prices[name].unit, _usd_per_day(name, quantity, table), name)

    return (
        Line("as above", "devices, stream, Firehose", 1, "day", total(ingress), None, shared=True),
        line("a put per reading, one index", "dynamodb_write", writes / MILLION),
        line("DynamoDB storage, 90 days", "dynamodb_storage", kept / GB / MONTH_DAYS),
        line("S3, raw JSON", "s3_standard", day_gb * measured.LAKE_DAYS / MONTH_DAYS),
        line("queries and hourly figures", "athena_scan", scanned_gb / 1024),
    )


def as_document(plan: Plan, table: PriceTable) -> dict[str, Any]:
    """Return the plan as JSON holds it: names stay, quantities are a day's, `usd_per_day` null where not priced."""
    used = sorted({line.price for line in (*plan.lines, *plan.naive) if line.price})
    resources = asdict(plan.resources)
    city = resources.pop("city")
    return {
        "city": city | {"readings_per_s": plan.resources.city.readings_per_s, "segments": plan.resources.city.segments},
        "resources": resources | {"stream_modes": plan.stream_modes},
        "lines": [asdict(line) for line in plan.lines],
        "usd_per_day": total(plan.lines),
        "usd_per_day_not_shared": own(plan.lines),
        "naive": {
            "lines": [asdict(line) for line in plan.naive],
            "usd_per_day": total(plan.naive),
            "usd_per_day_not_shared": own(plan.naive),
        },
        "not_priced": not_priced(plan),
        "warnings": warnings(plan),
        "prices": {
            "region": table.region,
            "read": table.read.isoformat(),
            "used": {name: table.prices[name].model_dump(mode="json") for name in used},
        },
        "assumptions": list(ASSUMPTIONS),
    }


def warnings(plan: Plan) -> list[str]:
    """Return what would not work as the product is now."""
    shards = plan.resources.segment_stream.shards
    if shards <= GROUPS:
        return []
    return [f"segment-readings needs {shards} shards, and segments are in {GROUPS} groups: raise GROUPS first"]


def not_priced(plan: Plan) -> list[str]:
    """Return the items that have no price."""
    return [f"{line.group}: {line.item}" for line in (*plan.lines, *plan.naive) if line.usd_per_day is None]
