"""What one reading, segment or run takes: the figures that sizing starts from, each with where it comes from.

"Measured" is on the two-core laptop that the benchmarks ran on (x86-64, Python 3.11), with readings of the simulated
city; `tests/infra/sizing/test_measured.py` measures the sizes again. An AWS vCPU is taken for one of these cores, which
nobody has checked on AWS. "Estimate" is a number that somebody chose; replace it by what your city shows.
"""

# --- sizes, measured ---------------------------------------------------------------------------------------------
# A device's JSON. The IoT rule adds the topic's id and the time: 191 bytes on the stream, and a partition key of ten.
DEVICE_READING_BYTES = 131
READING_BYTES = 200
# JSON of `segment_stream`: 95 bytes a judged reading, 52 for the record around it.
JUDGED_READING_BYTES = 96
JUDGED_RECORD_BYTES = 52
# Snappy Parquet as Firehose writes it, and GZIP of what was sent, at 88,000 readings an object.
RAW_PARQUET_BYTES = 12
BACKUP_GZIP_BYTES = 14
# Iceberg files of the demo's lake: curated.readings 14.5 and landed_keys 3.7 bytes a reading, sensor_5min and
# int_segment__5min a row, congestion_hourly a segment and hour (with what the daily and zone marts add).
CURATED_READING_BYTES = 18.2
SENSOR_5MIN_BYTES = 13.9
SEGMENT_5MIN_BYTES = 15.1
SEGMENT_HOUR_BYTES = 44
# A DynamoDB item of `items`, by DynamoDB's size rule: a summary or change without the state, what an index copies of
# it, and the state, which keeps ten minutes of readings (562 bytes at 60 readings, 5,949 at 1,200; random readings,
# which compress worst).
ITEM_BYTES = 250
INDEX_COPY_BYTES = 200
STATE_BYTES = 300
STATE_BYTES_PER_READING = 4.8
STATE_WINDOW_S = 600

# --- processor time, measured on the laptop ----------------------------------------------------------------------
# `judge` 8 to 9.6 µs and packing 1.2 µs a reading; `track` 10 to 15 µs; boto3's put_item 0.42 ms without a network.
JUDGE_CPU_S = 11e-6
TRACK_CPU_S = 15e-6
PUT_ITEM_CPU_S = 0.45e-3
# Curation 277 s and roll-up 23 s of 8,803,054 readings on two cores (benchmark a).
SPARK_CORE_S_PER_READING = 2 * 300.25 / 8_803_054
# Session 15 s, and curation of next to nothing 20 to 35 s (benchmark b).
SPARK_FIXED_S = 60
# dbt build 41 to 61 s; the rest is an estimate of what CodeBuild takes to install.
DBT_MINUTES = 4
# Bytes that Athena scanned in the demo's dbt build: the reconciliation 27.8 MB of 362,722 readings, the other models
# and tests 26.5 MB of 193,000 segment intervals.
DBT_SCAN_BYTES_PER_READING = 77
DBT_SCAN_BYTES_PER_SEGMENT_5MIN = 137

# --- estimates ---------------------------------------------------------------------------------------------------
# Share of a limit that is used on average: arrivals are never even.
UTILISATION = 0.8
# Of a process of `track`, which must also catch up after a pause.
TRACK_UTILISATION = 0.5
# All summaries of a shard are due at the same moment, every five minutes; within this time they are written.
SUMMARY_BURST_S = 30
# A function waits this long for one call in its region.
CALL_S = 0.02
# Five times what the simulated city gives on a weekday: 0.2 changes, 0.05 anomalies, 1.2 puts of `current` items.
CHANGES_PER_SEGMENT_DAY = 1.25
CURRENT_PUTS_PER_SEGMENT_DAY = 6
SEGMENTS_PER_ZONE = 250
# Statements of a dbt build: 27 nodes, up to four each. Athena bills at least 10 MB for each.
DBT_STATEMENTS = 100
# Queries of analysts and dashboards, each over a day.
QUERIES_PER_DAY = 200
# The jobs of an hour end within this time, so that an hour can be repeated within the next.
SPARK_TARGET_S = 1800
STATE_TRANSITIONS_PER_RUN = 20
FILES_PER_RUN = 400
LOG_BYTES_PER_INVOCATION = 1000
LOG_BYTES_PER_SUMMARY = 50
# Those of `infra.aws.watch.alarm_list`.
ALARMS = 37
# S3 writes these for a filter of a bucket, and they cost as our own ("Metrics and dimensions", request metrics).
REQUEST_METRICS = 16
AUTHORS, READERS = 2, 25
# S3 storage is that of this many days, DynamoDB's of the time that items live (`items.EXPIRES_AFTER_S`).
LAKE_DAYS = 365
RAW_STANDARD_DAYS, RAW_INFREQUENT_DAYS = 30, 60
