"""From a city's sensors to the resources that it needs on AWS. Pure; no price and no account is asked.

A day is one of readings at an even rate: devices spread over their interval. Where all report at the same second, the
stream needs as many shards as if the interval were a second.
"""

from dataclasses import dataclass, replace
from math import ceil, inf

from infra.alert_definitions import BATCH, LIMITS
from infra.pipeline import STEPS
from infra.settings import CitySettings
from infra.sizing import measured
from ingestion.alerts.items import EXPIRES_AFTER_S
from ingestion.alerts.machine import SUMMARY_S
from ingestion.alerts.parts import PART
from ingestion.alerts.segment_stream import GROUPS
from ingestion.alerts.watch_function import TICK_EVERY_S, TICKS
from ingestion.devices.access import SENSORS_TOPIC
from ingestion.devices.rules import topic_rules

DAY_S, HOUR_S = 86_400, 3600
RUNS_PER_DAY = 24
KB, MB, GB = 2**10, 2**20, 2**30
MOST_SENSORS, LONGEST_INTERVAL_S = 10_000_000, DAY_S
# Kinesis Data Streams, "Quotas and limits": a shard takes 1 MB and 1,000 records a second and gives 2 MB. Provisioned
# mode bills puts by 25 KB, on-demand mode bytes in whole KB of a record.
SHARD_IN_BYTES, SHARD_IN_RECORDS, SHARD_OUT_BYTES = 1_000_000, 1000, 2_000_000
PUT_UNIT_BYTES = 25 * KB
# Firehose bills each record in steps of 5 KB; IoT Core each message and rule.
FIREHOSE_STEP_BYTES = IOT_STEP_BYTES = 5 * KB
# Lambda, "Configure function memory": that much memory has one vCPU. Glue: a G.1X worker is one DPU and has four, and
# one of the workers drives the others.
LAMBDA_MB_PER_VCPU = 1769
WORKER_VCPUS = 4
# DynamoDB, "Read and write operations", and what storage counts besides each item.
WRITE_UNIT_BYTES, ITEM_OVERHEAD_BYTES = KB, 100
ATHENA_LEAST_BYTES = 10 * MB
_MORE_WORKERS = 16
_SPARK_JOBS = sum(step.kind == "glue_job" for step in STEPS)


@dataclass(frozen=True)
class City:
    """What is known of a city before anything is deployed; raises ValueError for what is no city."""

    sensors: int
    interval_s: int
    sensors_per_segment: float = 2
    bytes_per_reading: int = measured.READING_BYTES

    def __post_init__(self) -> None:
        if not 1 <= self.sensors <= MOST_SENSORS:
            raise ValueError(f"{self.sensors} is not a number of sensors from 1 to {MOST_SENSORS:,}")
        if not 1 <= self.interval_s <= LONGEST_INTERVAL_S:
            raise ValueError(f"{self.interval_s} is not an interval from 1 to {LONGEST_INTERVAL_S:,} seconds")
        if self.sensors_per_segment < 1 or self.bytes_per_reading < 1:
            raise ValueError("a segment has at least one sensor and a reading at least one byte")

    @property
    def readings_per_s(self) -> float:
        """Return the mean rate."""
        return self.sensors / self.interval_s

    @property
    def readings_per_day(self) -> float:
        """Return the readings of a day."""
        return self.readings_per_s * DAY_S

    @property
    def segments(self) -> int:
        """Return the number of road segments."""
        return ceil(self.sensors / self.sensors_per_segment)

    @property
    def zones(self) -> int:
        """Return the number of zones."""
        return ceil(self.segments / measured.SEGMENTS_PER_ZONE)

    def intervals_per_day(self, count: int) -> float:
        """Return 5-minute intervals with a reading of a day, of that many sensors or segments."""
        return min(count * DAY_S / SUMMARY_S, self.readings_per_day)


@dataclass(frozen=True)
class Stream:
    """A Kinesis stream: its shards, and what either capacity mode bills a day."""

    records_per_s: float
    bytes_per_s: float
    shards: int
    put_units: float
    on_demand_gb_in: float
    on_demand_gb_out: float


@dataclass(frozen=True)
class Function:
    """A Lambda function: its calls of a day, the mean duration of one, and memory times duration of the day."""

    memory_mb: int
    invocations: float
    duration_s: float
    gb_s: float


@dataclass(frozen=True)
class Glue:
    """The hourly jobs: workers (G.1X, one of them the driver), seconds of all jobs of a run, DPU-hours of a day."""

    workers: int
    seconds_per_run: float
    dpu_hours: float


@dataclass(frozen=True)
class Resources:
    """What a city needs; quantities are those of a day unless the name says otherwise."""

    city: City
    connection_minutes: float
    messages: float
    rules_triggered: float
    rule_actions: float
    readings_stream: Stream
    segment_stream: Stream
    functions: dict[str, Function]
    summary_bytes: float
    summaries: float
    changes: float
    write_units: float
    read_units: float
    table_gb: float
    firehose_gb: float
    firehose_files_per_hour: int
    glue: Glue
    s3_puts: float
    raw_gb: float
    lake_gb: float
    raw_standard_gb: float
    raw_infrequent_gb: float
    raw_archive_gb: float
    lake_total_gb: float
    dbt_minutes: float
    dbt_scan_gb: float
    query_scan_gb: float
    state_transitions: float
    custom_metrics: int
    alarms: int
    log_gb: float


def size(city: City) -> Resources:
    """Return what the city needs."""
    readings, judge, records = _first_stream(city)
    segment_stream = _segment_stream(city, records)
    summaries = city.intervals_per_day(city.segments)
    changes = city.segments * measured.CHANGES_PER_SEGMENT_DAY
    functions = {
        "judge": judge,
        "track": _track(city, segment_stream, summaries),
        "describe": _function("describe", changes, 2 * measured.CALL_S),
        "watch": _function("watch", DAY_S / 60, (TICKS - 1) * TICK_EVERY_S + 2 * city.zones * measured.CALL_S),
    }
    triggered, actions = _rules_per_message()
    steps = ceil(city.bytes_per_reading / IOT_STEP_BYTES)
    summary_bytes = _summary_bytes(city)
    raw_gb = city.readings_per_day * (measured.RAW_PARQUET_BYTES + measured.BACKUP_GZIP_BYTES) / GB
    lake_gb = _lake_bytes(city) / GB
    files = _firehose_files_per_hour(city)
    archive_days = measured.LAKE_DAYS - measured.RAW_STANDARD_DAYS - measured.RAW_INFREQUENT_DAYS
    invocations = functions["judge"].invocations + functions["track"].invocations + functions["describe"].invocations
    logs = (
        invocations + DAY_S / 60 * (1 + city.zones)
    ) * measured.LOG_BYTES_PER_INVOCATION + summaries * measured.LOG_BYTES_PER_SUMMARY
    return Resources(
        city=city,
        connection_minutes=city.sensors * DAY_S / 60,
        messages=city.readings_per_day * steps,
        rules_triggered=city.readings_per_day * steps * triggered,
        rule_actions=city.readings_per_day * steps * actions,
        readings_stream=readings,
        segment_stream=segment_stream,
        functions=functions,
        summary_bytes=summary_bytes,
        summaries=summaries,
        changes=changes,
        write_units=_write_units(city, summaries, changes, summary_bytes),
        # Each minute a query of an index (half a unit) and a consistent get per zone, and the index of alerts.
        read_units=DAY_S / 60 * (1.5 * city.zones + 1),
        table_gb=_table_bytes(city, summaries, changes, summary_bytes) / GB,
        firehose_gb=city.readings_per_day * _stepped(city.bytes_per_reading, FIREHOSE_STEP_BYTES) / GB,
        firehose_files_per_hour=files,
        glue=_glue(city),
        s3_puts=24 * files + RUNS_PER_DAY * measured.FILES_PER_RUN,
        raw_gb=raw_gb,
        lake_gb=lake_gb,
        raw_standard_gb=raw_gb * measured.RAW_STANDARD_DAYS,
        raw_infrequent_gb=raw_gb * measured.RAW_INFREQUENT_DAYS,
        raw_archive_gb=raw_gb * archive_days,
        lake_total_gb=lake_gb * measured.LAKE_DAYS,
        dbt_minutes=RUNS_PER_DAY * measured.DBT_MINUTES,
        dbt_scan_gb=_dbt_scan_bytes(city) / GB,
        query_scan_gb=measured.QUERIES_PER_DAY * max(_segment_5min_bytes(city), ATHENA_LEAST_BYTES) / GB,
        state_transitions=RUNS_PER_DAY * measured.STATE_TRANSITIONS_PER_RUN,
        custom_metrics=3 * city.zones + 8 + measured.REQUEST_METRICS,
        alarms=measured.ALARMS,
        log_gb=logs / GB,
    )


def _first_stream(city: City) -> tuple[Stream, Function, float]:
    """Return the stream of readings, the function on it, and the records a second that this one puts."""
    rate = city.readings_per_s
    # Firehose and the function read it.
    stream = _stream(rate, rate * city.bytes_per_reading, consumers=2)
    # A shard is read once a second.
    calls = min(rate, max(stream.shards, rate / BATCH))
    batch = rate / calls
    share = LIMITS["judge"][1] / LAMBDA_MB_PER_VCPU
    duration = ceil(batch / PART) * measured.CALL_S + batch * measured.JUDGE_CPU_S / share
    judge = _function("judge", calls * DAY_S, duration)
    return stream, judge, min(calls * min(GROUPS, city.segments), rate)


def _segment_stream(city: City, records_per_s: float) -> Stream:
    rate = city.readings_per_s
    bytes_per_s = rate * measured.JUDGED_READING_BYTES + records_per_s * measured.JUDGED_RECORD_BYTES
    stream = _stream(records_per_s, bytes_per_s, consumers=1)
    # One process reads a shard, for the order's sake: it must keep up, and write a shard's summaries in time.
    for_order = ceil(rate * measured.TRACK_CPU_S / measured.TRACK_UTILISATION)
    for_burst = ceil(city.segments * measured.PUT_ITEM_CPU_S / measured.SUMMARY_BURST_S)
    return replace(stream, shards=max(stream.shards, for_order, for_burst))


def _track(city: City, stream: Stream, summaries: float) -> Function:
    calls = min(stream.records_per_s, stream.shards) * DAY_S
    cpu = city.readings_per_day * measured.TRACK_CPU_S + summaries * measured.PUT_ITEM_CPU_S
    share = min(1, LIMITS["track"][1] / LAMBDA_MB_PER_VCPU)
    return _function("track", calls, measured.CALL_S + cpu / share / calls)


def _stream(records_per_s: float, bytes_per_s: float, *, consumers: int) -> Stream:
    needed = max(
        records_per_s / SHARD_IN_RECORDS, bytes_per_s / SHARD_IN_BYTES, consumers * bytes_per_s / SHARD_OUT_BYTES
    )
    record_bytes = bytes_per_s / records_per_s
    records = records_per_s * DAY_S
    return Stream(
        records_per_s=records_per_s,
        bytes_per_s=bytes_per_s,
        shards=max(1, ceil(needed / measured.UTILISATION)),
        put_units=records * ceil(record_bytes / PUT_UNIT_BYTES),
        on_demand_gb_in=records * _stepped(record_bytes, KB) / GB,
        on_demand_gb_out=consumers * records * _stepped(record_bytes, KB) / GB,
    )


def _function(name: str, invocations: float, duration_s: float) -> Function:
    timeout_s, memory_mb = LIMITS[name]
    duration_s = min(duration_s, timeout_s)
    return Function(memory_mb, invocations, duration_s, invocations * duration_s * memory_mb / 1024)


def _rules_per_message() -> tuple[int, int]:
    """Return how many rules look at a message on a sensor's own topic, and how many act on it.

    Whether AWS meters a rule whose condition is false is not documented; it is counted as triggered.
    """
    rules = topic_rules("p", "stream", "bucket", "role").values()
    return sum(f"FROM '{SENSORS_TOPIC}/+'" in rule["sql"] for rule in rules), 1


def _summary_bytes(city: City) -> float:
    kept = city.sensors_per_segment * measured.STATE_WINDOW_S / city.interval_s
    return measured.ITEM_BYTES + measured.STATE_BYTES + measured.STATE_BYTES_PER_READING * kept


def _write_units(city: City, summaries: float, changes: float, summary_bytes: float) -> float:
    """Return the write units of a day: each item is copied into the index by zone, `current` ones into both."""
    item = ceil(summary_bytes / WRITE_UNIT_BYTES)
    return (summaries + changes) * (item + 1) + city.segments * measured.CURRENT_PUTS_PER_SEGMENT_DAY * 3


def _table_bytes(city: City, summaries: float, changes: float, summary_bytes: float) -> float:
    days = EXPIRES_AFTER_S / DAY_S
    item = summary_bytes + measured.INDEX_COPY_BYTES + 2 * ITEM_OVERHEAD_BYTES
    return (summaries + changes) * days * item + city.segments * 3 * (measured.ITEM_BYTES + ITEM_OVERHEAD_BYTES)


def _firehose_files_per_hour(city: City) -> int:
    """Return the fewest objects an hour, of Parquet and of source backup: the buffer's time or its size ends each."""
    settings = CitySettings(stage="prod")
    by_time = HOUR_S / settings.buffering_interval_s
    by_size = city.readings_per_s * HOUR_S * city.bytes_per_reading / (settings.buffering_size_mb * MB)
    return 2 * ceil(min(max(by_time, by_size), city.readings_per_s * HOUR_S))


def _glue(city: City) -> Glue:
    """Return the cheapest number of workers that ends in time."""
    core_s = city.readings_per_s * HOUR_S * measured.SPARK_CORE_S_PER_READING
    fixed_s = _SPARK_JOBS * measured.SPARK_FIXED_S
    least = max(1, ceil(core_s / WORKER_VCPUS / (measured.SPARK_TARGET_S - fixed_s)))
    best = Glue(0, 0, inf)
    for executors in range(least, least + _MORE_WORKERS):
        seconds = fixed_s + core_s / WORKER_VCPUS / executors
        dpu_hours = RUNS_PER_DAY * (executors + 1) * seconds / HOUR_S
        if dpu_hours < best.dpu_hours:
            best = Glue(executors + 1, seconds, dpu_hours)
    return best


def _lake_bytes(city: City) -> float:
    sensors_5min = city.intervals_per_day(city.sensors) * measured.SENSOR_5MIN_BYTES
    hours = min(city.segments * 24, city.readings_per_day) * measured.SEGMENT_HOUR_BYTES
    return city.readings_per_day * measured.CURATED_READING_BYTES + sensors_5min + _segment_5min_bytes(city) + hours


def _segment_5min_bytes(city: City) -> float:
    return city.intervals_per_day(city.segments) * measured.SEGMENT_5MIN_BYTES


def _dbt_scan_bytes(city: City) -> float:
    """Return the bytes of a day's runs: each reads the readings of its hour and the intervals of a whole day."""
    readings = city.readings_per_day * measured.DBT_SCAN_BYTES_PER_READING
    intervals = RUNS_PER_DAY * city.intervals_per_day(city.segments) * measured.DBT_SCAN_BYTES_PER_SEGMENT_5MIN
    return readings + intervals + RUNS_PER_DAY * measured.DBT_STATEMENTS * ATHENA_LEAST_BYTES


def _stepped(count: float, step: int) -> float:
    return ceil(count / step) * step
