"""The alerts' functions on batches of a city's readings, beside what they cannot do without and beside a naive one."""

import base64
import json
import os
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any
from uuid import uuid4

READINGS_PER_RECORD_S = 20
START_US = 1_772_438_400_000_000
SENSORS_PER_SEGMENT = 2


def run(records: int, repeats: int) -> dict[str, Any]:
    """Return seconds of each repeat by side for `records` readings, and DynamoDB writes of half an hour."""
    import boto3  # noqa: PLC0415 — importing is not measured
    import orjson  # noqa: PLC0415

    from infra.alert_definitions import function_variables  # noqa: PLC0415
    from infra.home.resources import create_resources  # noqa: PLC0415
    from infra.settings import settings  # noqa: PLC0415
    from ingestion.alerts.reference import KEY, Segment, Sensor, encode  # noqa: PLC0415

    create_resources()
    name = f"bench-{uuid4().hex[:8]}"
    os.environ.update(function_variables(settings()) | {"STATE_TABLE": name, "SEGMENT_STREAM": name})
    kinesis, dynamodb = boto3.client("kinesis"), boto3.client("dynamodb")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    for table in (name, f"{name}-naive"):
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("segment_id", "ts")],
            KeySchema=[{"AttributeName": "segment_id", "KeyType": "HASH"}, {"AttributeName": "ts", "KeyType": "RANGE"}],
        )
    sensors = {
        f"sensor-{number:05d}": Sensor(f"segment-{number // SENSORS_PER_SEGMENT:05d}", 30.0, 17.0)
        for number in range(records)
    }
    segments = [
        Segment(each, "Z1", "C1", 100.0, 1.0, 0.5) for each in {sensor.segment_id for sensor in sensors.values()}
    ]
    boto3.client("s3").put_object(Bucket=settings().lake_bucket, Key=KEY, Body=encode(sensors, segments))

    from ingestion.alerts import anomalies, function_clients, judge_function, segment_stream  # noqa: PLC0415
    from ingestion.alerts.judge import judge  # noqa: PLC0415
    from ingestion.alerts.kinesis_event import records_of  # noqa: PLC0415

    def pure(event: dict[str, Any]) -> None:
        judged = judge(
            [(record.data, record.arrived_us) for record in records_of(event)],
            function_clients.reference(),
            anomalies.load(),
        )
        list(segment_stream.packed(judged.readings, START_US))

    def naive(event: dict[str, Any]) -> None:
        for record in event["Records"]:
            reading = json.loads(base64.b64decode(record["kinesis"]["data"]))
            dynamodb.put_item(
                TableName=f"{name}-naive",
                Item={
                    "segment_id": {"S": reading["sensor_id"]},
                    "ts": {"S": reading["timestamp"]},
                    "avg_speed": {"N": str(reading["avg_speed"])},
                },
            )
        dynamodb.scan(
            TableName=f"{name}-naive",
            FilterExpression="avg_speed < :slow",
            ExpressionAttributeValues={":slow": {"N": "30"}},
        )

    sides: dict[str, Callable[[dict[str, Any]], Any]] = {
        "decode": lambda event: [orjson.loads(base64.b64decode(each["kinesis"]["data"])) for each in event["Records"]],
        "judge": pure,
        "judge function": lambda event: judge_function.handler(event, None),
        "naive": naive,
    }
    seconds: dict[str, list[float]] = {side: [] for side in (*sides, "track function")}
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 — their metrics
        for side in sides.values():
            side(_event(sensors, -1, records))
        for repeat in range(repeats):
            for side, take in sides.items():
                event = _event(sensors, repeat, records)
                began = time.perf_counter()
                take(event)
                seconds[side].append(time.perf_counter() - began)
        writes = _track(kinesis, dynamodb, name, sensors, seconds["track function"])
    return {"seconds": seconds, "writes_per_1000": writes}


def _track(kinesis: Any, dynamodb: Any, name: str, sensors: Any, seconds: list[float]) -> float:
    """Let half an hour of all sensors pass both functions; return items in the table per 1,000 readings."""
    from ingestion.alerts import judge_function, track_function  # noqa: PLC0415

    steps = 1800 // READINGS_PER_RECORD_S
    shard = kinesis.list_shards(StreamName=name)["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    for step in range(100, 100 + steps):
        judge_function.handler(_event(sensors, step, len(sensors)), None)
        answer = kinesis.get_records(ShardIterator=start)
        start = answer["NextShardIterator"]
        event = {
            "Records": [
                {
                    "eventID": f"{shard}:{each['SequenceNumber']}",
                    "kinesis": {
                        "sequenceNumber": each["SequenceNumber"],
                        "approximateArrivalTimestamp": each["ApproximateArrivalTimestamp"].timestamp(),
                        "data": base64.b64encode(each["Data"]).decode(),
                    },
                }
                for each in answer["Records"]
            ]
        }
        began = time.perf_counter()
        track_function.handler(event, None)
        seconds.append(time.perf_counter() - began)
    pages = dynamodb.get_paginator("scan").paginate(TableName=name, Select="COUNT")
    return 1000 * sum(page["Count"] for page in pages) / (steps * len(sensors))


def _event(sensors: Any, step: int, count: int) -> dict[str, Any]:
    """Return the event of one reading of each sensor, as devices send them; a tenth of the segments crawls."""
    from ingestion.alerts.items import iso  # noqa: PLC0415

    ts = iso(START_US + step * READINGS_PER_RECORD_S * 1_000_000)
    records = []
    for number, sensor_id in enumerate(list(sensors)[:count]):
        speed = 12.5 if number // SENSORS_PER_SEGMENT % 10 == 0 else 88.0 + number % 7
        document = {
            "sensor_id": sensor_id, "timestamp": ts, "vehicle_count": 5 + number % 4, "avg_speed": speed,
            "occupancy": 11.5, "status": "ok", "temperature": 14.25,
        }  # fmt: skip
        records.append(
            {
                "eventID": f"shardId-000000000000:{step * count + number:056d}",
                "kinesis": {
                    "sequenceNumber": f"{step * count + number:056d}",
                    "approximateArrivalTimestamp": START_US / 1e6 + 7200,
                    "data": base64.b64encode(json.dumps(document).encode()).decode(),
                },
            }
        )
    return {"Records": records}
