"""What a city needs: tables computed by hand, and what must hold for every city."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sizing import measured
from infra.sizing.resources import (
    DAY_S,
    GB,
    MOST_SENSORS,
    SHARD_IN_BYTES,
    SHARD_IN_RECORDS,
    SHARD_OUT_BYTES,
    City,
    size,
)

CITIES = st.builds(
    City,
    sensors=st.integers(1, MOST_SENSORS),
    interval_s=st.sampled_from([1, 5, 20, 60, 300, 900, 3600, 86_400]),
    sensors_per_segment=st.sampled_from([1, 2, 3.5]),
    bytes_per_reading=st.sampled_from([100, 200, 1000, 6000]),
)

# Of 1,000 sensors at 20 s, 50,000 at 20 s and 50,000 at 1 s.
BY_HAND = {
    "readings a second: sensors / interval": (lambda need: need.city.readings_per_s, (50, 2_500, 50_000)),
    "segments: sensors / 2": (lambda need: need.city.segments, (500, 25_000, 25_000)),
    "zones: segments / 250": (lambda need: need.city.zones, (2, 100, 100)),
    "messages a day: rate * 86,400": (lambda need: need.messages, (4_320_000, 216_000_000, 4_320_000_000)),
    # Two rules look at a topic, one of them acts.
    "rules triggered": (lambda need: need.rules_triggered, (8_640_000, 432_000_000, 8_640_000_000)),
    "rule actions": (lambda need: need.rule_actions, (4_320_000, 216_000_000, 4_320_000_000)),
    "connection minutes: sensors * 1,440": (lambda need: need.connection_minutes, (1_440_000, 72e6, 72e6)),
    # 50 / 1,000 / 0.8 = 0.06; 2,500 / 800 = 3.1; 50,000 / 800 = 62.5.
    "shards of readings": (lambda need: need.readings_stream.shards, (1, 4, 63)),
    # One record is less than 25 KB.
    "put units of readings": (lambda need: need.readings_stream.put_units, (4_320_000, 216_000_000, 4_320_000_000)),
    # A call of each shard a second.
    "calls of judge": (lambda need: need.functions["judge"].invocations, (86_400, 345_600, 5_443_200)),
    # At most 64 records a call, and one a reading: 50; 4 * 64; 63 * 64.
    "records of judged readings": (lambda need: need.segment_stream.records_per_s, (50, 256, 4_032)),
    # 4,032 / 800 = 5.04; (50,000 * 96 + 4,032 * 52) / 800,000 = 6.3.
    "shards of judged readings": (lambda need: need.segment_stream.shards, (1, 1, 7)),
    "summaries: segments * 288": (lambda need: need.summaries, (144_000, 7_200_000, 7_200_000)),
    # 250 + 300 + 4.8 * (2 * 600 / interval).
    "bytes of a summary": (lambda need: need.summary_bytes, (838, 838, 6_310)),
    # (summaries + 1.25 * segments) * (1 or 7 KB, and 1 for the index) + segments * 6 * 3.
    "write units": (lambda need: need.write_units, (298_250, 14_912_500, 58_300_000)),
    # Each minute 1.5 per zone and 1.
    "read units": (lambda need: need.read_units, (5_760, 217_440, 217_440)),
    # messages * 5 KB.
    "GB of Firehose": (lambda need: need.firehose_gb, (20.599, 1_029.968, 20_599.365)),
    # 12 an hour by time; 2,500 * 3,600 * 200 / 128 MB = 13.4; 268.2. Twice, for the source backup.
    "objects of Firehose": (lambda need: need.firehose_files_per_hour, (24, 28, 538)),
    # 3,600 * rate * 68.2 µs / 4 = 3.07; 153.5; 3,069.7 seconds of one worker, 120 seconds besides, 1,680 at most.
    "workers of Glue": (lambda need: need.glue.workers, (2, 2, 6)),
    "seconds of the jobs": (lambda need: need.glue.seconds_per_run, (123.07, 273.48, 733.93)),
    "GB landed a day: 26 bytes a reading": (lambda need: need.raw_gb, (0.1046, 5.2303, 104.606)),
    "metrics: 3 a zone, 8, and 16 of a filter of S3": (lambda need: need.custom_metrics, (30, 324, 324)),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_a_city_needs_what_was_computed_by_hand(what):
    of, expected = BY_HAND[what]
    found = [of(size(City(*city))) for city in ((1_000, 20), (50_000, 20), (50_000, 1))]
    assert found == pytest.approx(expected, rel=1e-3)


@given(CITIES)
def test_one_process_keeps_up_with_a_shard(city):
    need = size(city)
    for function, stream in (("judge", need.readings_stream), ("track", need.segment_stream)):
        of_day = need.functions[function]
        assert of_day.invocations * of_day.duration_s / stream.shards < DAY_S


@given(CITIES)
def test_shards_suffice_for_records_and_bytes_in_and_out(city):
    need = size(city)
    for stream, consumers in ((need.readings_stream, 2), (need.segment_stream, 1)):
        assert stream.records_per_s <= stream.shards * SHARD_IN_RECORDS
        assert stream.bytes_per_s <= stream.shards * SHARD_IN_BYTES
        assert stream.bytes_per_s * consumers <= stream.shards * SHARD_OUT_BYTES


@given(CITIES)
def test_a_process_keeps_up_with_its_shard(city):
    need = size(city)
    assert need.city.readings_per_s * measured.TRACK_CPU_S <= need.segment_stream.shards
    assert city.segments * measured.PUT_ITEM_CPU_S <= need.segment_stream.shards * measured.SUMMARY_BURST_S


@given(CITIES)
def test_the_jobs_of_an_hour_end_within_it(city):
    assert size(city).glue.seconds_per_run <= measured.SPARK_TARGET_S


@given(CITIES, st.integers(1, MOST_SENSORS))
def test_more_sensors_need_at_least_as_much_of_everything(city, sensors):
    fewer, more = sorted((city, City(**asdict(city) | {"sensors": sensors})), key=lambda each: each.sensors)
    before, after = numbers(size(fewer)), numbers(size(more))
    assert {name for name in before if before[name] > after[name] * (1 + 1e-9)} == set()


def numbers(need) -> dict[str, float]:
    """Return every total; means of a call or a batch may fall as more is done at once."""
    found = {
        name: value
        for name, value in asdict(need).items()
        if isinstance(value, int | float) and name != "firehose_files_per_hour"
    }
    for stream in ("readings_stream", "segment_stream"):
        found[f"{stream} shards"] = getattr(need, stream).shards
        found[f"{stream} put units"] = getattr(need, stream).put_units
    return (
        found
        | {f"{name} GB-s": function.gb_s for name, function in need.functions.items()}
        | {"firehose files": need.firehose_files_per_hour, "DPU-hours": need.glue.dpu_hours}
    )


@given(CITIES)
def test_what_lands_is_at_least_one_object_and_never_more_than_readings(city):
    need = size(city)
    assert 2 <= need.firehose_files_per_hour <= max(2, 2 * (city.readings_per_s * 3600 + 1))


def test_a_sensor_that_reports_once_a_day_has_one_summary_a_day():
    need = size(City(1, 86_400))
    assert need.summaries == 1
    assert need.raw_gb * GB == measured.RAW_PARQUET_BYTES + measured.BACKUP_GZIP_BYTES


@pytest.mark.parametrize(
    "city",
    [(0, 20), (-1, 20), (MOST_SENSORS + 1, 20), (10, 0), (10, 86_401), (10, 20, 0.5), (10, 20, 2, 0)],
)
def test_what_is_no_city_is_refused(city):
    with pytest.raises(ValueError, match=r"is not a|at least"):
        City(*city)
