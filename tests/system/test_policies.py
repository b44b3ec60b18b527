"""The policy simulation: every call that the product's parts made at home is one that their roles on AWS allow.

Simulated are the functions, which call under their own names, and what the endpoint does as Firehose and as a pipe.
What it does as Lambda, EventBridge or CloudWatch Logs is not: these act within AWS, by resource policies or, for the
batches of a stream and for logs, by a function's role with calls that nobody makes here (`UNUSED` names them). Nor is
the broker, which acts for devices and for rules by one key.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.aws.app import synthesize
from infra.aws.stages import Stage
from infra.home.environment import THROW_AWAY_KEY
from infra.local.call_record import VARIABLE
from infra.local.mqtt.broker import DEVICE_KEY
from infra.local.principals import SERVICE_KEY
from infra.settings import AlertRoute, CitySettings
from tests.infra.aws.cloud import Cloud, read_cloud
from tests.infra.aws.policy_simulation import Recorded, allowed, denied, label, read_record, unused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
# The operator, the endpoint itself, and the broker.
NOT_SIMULATED = {THROW_AWAY_KEY, SERVICE_KEY, DEVICE_KEY}
ROUTES = (AlertRoute(name="all"), AlertRoute(name="webhook", webhook_url="https://example.org/"))
CITY = CitySettings(stage="local", alert_routes=ROUTES)

READINGS, SEGMENTS = f"stream/{CITY.stream}", f"stream/{CITY.segment_stream}"
TABLE, TABLE_STREAM = f"table/{CITY.state_table}", f"table/{CITY.state_table}/stream/label"
STREAMS_KEY, RAW_KEY = f"key/{CITY.prefix}-streams", f"key/{CITY.prefix}-raw"
RAW_PREFIXES = [f"{CITY.raw_bucket}/{prefix}/*" for prefix in ("backup", "errors", "readings")]
CATALOG = ["catalog", "database/raw", "table/raw/sensor_readings"]
FUNCTIONS = ("judge", "track", "describe", "watch")

# Roles of which nothing can be recorded in this run.
NOT_AT_WORK = {
    **dict.fromkeys(("curate-readings", "rollup-5min", "steps"), "the hourly run's, see test_hourly_policies"),
    **dict.fromkeys(("congestion-episodes", "maintain-tables"), "the daily jobs', which no state machine starts"),
    "hourly": "Step Functions takes it on within AWS; the interpreter of the local home starts steps as itself",
    "schedule of hourly": "EventBridge Scheduler takes it on within AWS",
    "schedule of congestion-episodes, maintain-tables": "EventBridge Scheduler takes it on within AWS",
}

# What is allowed and was not used, with the reason why it is: (who, actions, resources).
UNUSED: dict[str, list[tuple[str, list[str], list[str]]]] = {
    "Lambda itself writes the log, with the function's role; here the endpoint does, as itself": [
        (each, ["logs:CreateLogStream", "logs:PutLogEvents"], [f"log-group:/aws/lambda/{CITY.prefix}-{each}:*"])
        for each in FUNCTIONS
    ],
    "Lambda itself reads a mapping's stream, with the function's role; here the endpoint does, from its memory": [
        (
            "judge",
            [f"kinesis:{each}" for each in ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards")],
            [READINGS],
        ),
        ("judge", ["kinesis:DescribeStreamSummary"], [READINGS]),
        ("judge", ["kms:Decrypt"], [STREAMS_KEY]),
        ("track", ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:ListShards"], [SEGMENTS]),
    ],
    "EventBridge reads the table's changes and calls webhooks within AWS; here the endpoint does": [
        (
            "pipes",
            [f"dynamodb:{each}" for each in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")],
            [TABLE_STREAM],
        ),
        ("events", ["events:InvokeApiDestination"], [f"api-destination/{CITY.alert_bus}-webhook"]),
    ],
    "only what cannot be taken goes to a dead-letter queue": [
        ("judge", ["sqs:SendMessage"], [CITY.failed_queue]),
        ("track", ["sqs:SendMessage"], [CITY.failed_queue]),
        ("pipes", ["sqs:SendMessage"], [CITY.undelivered_queue]),
    ],
    "before the first publication, a function has to be told that the snapshot is missing": [
        (each, ["s3:ListBucket"], [CITY.lake_bucket]) for each in FUNCTIONS
    ],
    "a zone is silent after ten minutes at the earliest": [("watch", ["dynamodb:PutItem"], [TABLE])],
    "the Firehose guide asks for it: large objects go in parts, and the stream is described before it is read": [
        ("firehose", ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary"], [READINGS]),
        ("firehose", ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], [CITY.raw_bucket]),
        ("firehose", ["s3:AbortMultipartUpload", "s3:GetObject"], RAW_PREFIXES),
        ("firehose", ["kms:Decrypt"], [RAW_KEY]),
        ("firehose", ["glue:GetTableVersion", "glue:GetTableVersions"], CATALOG),
    ],
    "nothing was refused by the conversion, and Firehose has no errors to tell": [
        ("firehose", ["s3:PutObject"], [f"{CITY.raw_bucket}/errors/*"]),
        (
            "firehose",
            ["logs:PutLogEvents"],
            [
                f"log-group:/aws/kinesisfirehose/{CITY.delivery_stream}:log-stream:{each}"
                for each in ("backup", "delivery")
            ],
        ),
    ],
    "no device sends in this run; the grants are made of the rules' own actions": [
        ("iot", ["kinesis:PutRecord"], [READINGS]),
        ("iot", ["s3:PutObject"], [f"{CITY.raw_bucket}/device-errors/*"]),
        ("iot", ["iot:Publish"], ["topic/$aws/things/*/shadow/update"]),
        ("iot", ["kms:GenerateDataKey"], [STREAMS_KEY, RAW_KEY]),
    ],
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> list[Recorded]:
    """What the endpoint was called for by the product's parts while the end-to-end test of the alerts ran."""
    record = tmp_path_factory.mktemp("record") / "calls.jsonl"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", str(HERE / "test_live_alerts.py")]
    environment = os.environ | {VARIABLE: str(record)}
    ran = subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:]
    return [each for each in read_record(record) if each.call.principal not in NOT_SIMULATED]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    """What the stacks would be for a stage of the same names as the local home."""
    stage = Stage(city=CITY, sensors=200, interval_s=60)
    return read_cloud(synthesize(stage, tmp_path_factory.mktemp("synth")))


def test_all_parts_were_at_work(recorded):
    functions = {f"{CITY.prefix}-{each}" for each in FUNCTIONS}
    services = {"firehose.amazonaws.com", "pipes.amazonaws.com"}
    assert {each.call.principal for each in recorded} == functions | services


def test_every_role_is_either_simulated_or_known_not_to_be(cloud):
    labels = {label(each, CITY.prefix) for each in cloud.roles}
    assert labels == {*FUNCTIONS, "firehose", "pipes", "events", "iot"} | NOT_AT_WORK.keys()


def test_every_call_is_allowed_by_the_role_of_who_made_it(recorded, cloud):
    assert denied(recorded, cloud) == []


def test_what_is_allowed_and_not_used_is_known_with_the_reason_for_it(recorded, cloud):
    reasons = {
        (who, action, resource): reason
        for reason, entries in UNUSED.items()
        for who, actions, resources in entries
        for action in actions
        for resource in resources
    }
    found = {each for each in unused(recorded, cloud, CITY.prefix) if each[0] not in NOT_AT_WORK}
    for each in sorted(found):
        print(*each, "–", reasons.get(each, "?"))  # noqa: T201 — the list, which `pytest -rP` shows
    assert found - reasons.keys() == set(), "allowed, never used, and no reason given"
    assert reasons.keys() - allowed(cloud, CITY.prefix) == set(), "no longer allowed"
