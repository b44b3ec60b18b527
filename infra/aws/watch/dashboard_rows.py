"""What the dashboard shows, as plain data: graphs in rows, by the way that data takes."""

from dataclasses import dataclass

from infra.alert_definitions import INDEXES, LIMITS, metrics_service
from infra.aws.stages import Stage, plan_of
from infra.aws.watch import metrics
from infra.aws.watch.metrics import PERIOD_S, Metric
from infra.runners import metrics as run_metrics
from infra.settings import CitySettings
from infra.sizing.resources import DAY_S
from ingestion.alerts.metrics import NAMESPACE
from ingestion.devices.rules import topic_rules


@dataclass(frozen=True)
class Line:
    """A line of a graph: a metric, or a search for metrics that nobody can list beforehand."""

    label: str
    shows: Metric | str


@dataclass(frozen=True)
class Graph:
    """A graph; `alarms` names those whose thresholds are drawn, `planned` is what the plan expects, by label."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    alarms: tuple[str, ...] = ()
    planned: tuple[tuple[str, float], ...] = ()


def rows(stage: Stage, account: str) -> dict[str, tuple[Graph, ...]]:
    """Return the graphs of each row."""
    city = stage.city
    return {
        "Devices": _devices(city),
        "Streams": _streams(city),
        "Delivery to the lake": _delivery(city),
        "Alerts": _alerts(city),
        "Hourly run": _runs(city, account),
        "Reconciliation": _reconciliation(city),
        "Cost": _usage(stage),
    }


def _devices(city: CitySettings) -> tuple[Graph, ...]:
    rules = topic_rules(city.prefix, city.stream, city.raw_bucket, "")
    begin = len(city.prefix) + 1
    return (
        Graph(
            "Messages by topic rule",
            "messages per 5 min",
            tuple(Line(name[begin:].replace("_", " "), metrics.topic_rule(name)) for name in rules),
        ),
        Graph(
            "Messages that went nowhere, kept",
            "messages per 5 min",
            (Line("kept", metrics.refused_messages(city)),),
            ("messages-refused",),
        ),
        Graph(
            "Readings arriving",
            "records per 5 min",
            (Line("readings", metrics.stream(city.stream, "IncomingRecords", "records")),),
            ("readings-too-few", "readings-too-many"),
        ),
        Graph(
            "Readings judged",
            "readings per 5 min",
            (
                Line("valid", metrics.alerts(city, "JudgedReadings", "readings")),
                Line("rejected", metrics.alerts(city, "RejectedReadings", "readings")),
                Line("of unknown sensors", metrics.alerts(city, "UnregisteredReadings", "readings")),
            ),
            ("readings-rejected",),
        ),
    )


def _streams(city: CitySettings) -> tuple[Graph, ...]:
    streams = (("readings", city.stream), ("segments", city.segment_stream))
    throttled = "ProvisionedThroughputExceeded"
    return (
        Graph(
            "Bytes in",
            "bytes per 5 min",
            tuple(Line(label, metrics.stream(name, "IncomingBytes", "bytes")) for label, name in streams),
        ),
        Graph(
            "Refused for want of shards",
            "calls per 5 min",
            tuple(
                Line(f"{label}: {what.lower()}s", metrics.stream(name, f"{what}{throttled}", "calls"))
                for label, name in streams
                for what in ("Write", "Read")
            ),
        ),
        Graph(
            "Age of the oldest record that was read last",
            "milliseconds",
            tuple(
                Line(label, metrics.stream(name, "GetRecords.IteratorAgeMilliseconds", "ms", "Maximum"))
                for label, name in streams
            ),
        ),
    )


def _delivery(city: CitySettings) -> tuple[Graph, ...]:
    return (
        Graph(
            "Age of the oldest reading that has not landed",
            "seconds",
            (Line("not landed", metrics.delivery(city, "DeliveryToS3.DataFreshness", "s", "Maximum")),),
            ("landing-late",),
        ),
        Graph(
            "Firehose behind the stream",
            "milliseconds",
            (Line("behind", metrics.delivery(city, "KinesisMillisBehindLatest", "ms", "Maximum")),),
            ("delivery-behind",),
        ),
        Graph(
            "Conversion to Parquet",
            "records per 5 min",
            (
                Line("converted", metrics.delivery(city, "SucceedConversion.Records", "records")),
                Line("not converted, kept", metrics.delivery(city, "FailedConversion.Records", "records")),
            ),
            ("conversion-failures",),
        ),
    )


def _alerts(city: CitySettings) -> tuple[Graph, ...]:
    def by_function(metric: str, unit: str, statistic: str = "Sum") -> tuple[Line, ...]:
        return tuple(Line(name, metrics.function(city, name, metric, unit, statistic)) for name in LIMITS)

    of_zones = f'{{{NAMESPACE},service,zone_id}} MetricName="ActiveAlerts" service="{metrics_service(city)}"'
    return (
        Graph(
            "Segments in alert",
            "segments",
            (Line("all zones", f"SUM(SEARCH('{of_zones}', 'Maximum', {PERIOD_S}))"),),
        ),
        Graph(
            "From arrival to the alerts' table",
            "seconds",
            (Line("slowest", metrics.alerts(city, "ProcessingLag", "s", "Maximum")),),
        ),
        Graph(
            "Functions behind their streams",
            "milliseconds",
            tuple(
                Line(name, metrics.function(city, name, "IteratorAge", "ms", "Maximum")) for name in ("judge", "track")
            ),
            ("judge-behind",),
        ),
        Graph("Failed calls of functions", "calls per 5 min", by_function("Errors", "calls")),
        Graph("Functions that Lambda did not run", "calls per 5 min", by_function("Throttles", "calls")),
        Graph(
            "Longest call of each function, and 90 % of its timeout",
            "milliseconds",
            by_function("Duration", "ms", "Maximum"),
            tuple(f"{name}-slow" for name in LIMITS),
        ),
        Graph(
            "Refused by the table",
            "calls per 5 min",
            tuple(
                Line(f"{what.lower()}s", metrics.table(city, f"{what}ThrottleEvents", "calls"))
                for what in ("Write", "Read")
            ),
        ),
        Graph(
            "Records that `track` cannot read",
            "records per 5 min",
            (Line("unreadable", metrics.alerts(city, "UnreadableRecords", "records")),),
        ),
        Graph(
            "Dead-letter queues",
            "messages",
            tuple(
                Line(label, metrics.queue(name))
                for label, name in (
                    ("failed batches", city.failed_queue),
                    ("undelivered alerts", city.undelivered_queue),
                    ("runs that were not started", city.unstarted_queue),
                )
            ),
        ),
    )


def _runs(city: CitySettings, account: str) -> tuple[Graph, ...]:
    arn = metrics.machine_arn(city, account)
    outcomes = {"Succeeded": "succeeded", "Failed": "failed", "TimedOut": "timed out", "Aborted": "stopped by hand"}
    return (
        Graph(
            "Runs",
            "runs per hour",
            tuple(Line(label, metrics.machine(arn, f"Executions{name}", "runs")) for name, label in outcomes.items()),
        ),
        Graph(
            "Duration of the longest run",
            "milliseconds",
            (Line("run", metrics.machine(arn, "ExecutionTime", "ms", "Maximum")),),
            planned=(("an hour", 3_600_000),),
        ),
    )


def _reconciliation(city: CitySettings) -> tuple[Graph, ...]:
    return (
        Graph(
            "Arrival hours that do not balance",
            "hours",
            (Line("unbalanced", metrics.run(city, run_metrics.UNBALANCED, "arrival hours")),),
        ),
        Graph(
            "Since the end of the newest hour of the marts",
            "hours",
            (Line("age", metrics.run(city, run_metrics.FRESHNESS, "h")),),
            ("marts-old",),
        ),
    )


def _usage(stage: Stage) -> tuple[Graph, ...]:
    """Return what the bill moves with, beside what the plan expects of it."""
    city, need = stage.city, plan_of(stage).resources
    written = metrics.table(city, "ConsumedWriteCapacityUnits", "write units")
    by_index = (
        Line(
            f"index {index}",
            Metric(
                written.namespace,
                written.name,
                (*written.dimensions, ("GlobalSecondaryIndexName", index)),
                written.statistic,
                written.unit,
            ),
        )
        for index in INDEXES
    )
    stream = need.readings_stream
    return (
        Graph(
            "DynamoDB write units",
            "write units per 5 min",
            (Line("table", written), *by_index),
            planned=(("planned, table and indexes together", need.write_units / DAY_S * PERIOD_S),),
        ),
        Graph(
            "Bytes into the stream of readings",
            "bytes per 5 min",
            (Line("readings", metrics.stream(city.stream, "IncomingBytes", "bytes")),),
            planned=(("planned", stream.bytes_per_s * PERIOD_S),),
        ),
        Graph(
            "Time of functions",
            "milliseconds per 5 min",
            tuple(Line(name, metrics.function(city, name, "Duration", "ms")) for name in LIMITS),
        ),
    )
