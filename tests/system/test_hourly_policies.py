"""The policy simulation of the hourly run: what the Glue jobs and the steps call, their roles on AWS allow.

The state machine of the local home starts them as processes that call under the names of their jobs and project. What
Athena reads and writes for a query is allowed by the role of who queries: here that is the steps' alone.
"""

from pathlib import Path

import pytest

from infra.aws.app import synthesize
from infra.aws.stages import Stage
from infra.local.principals import ATHENA_KEY
from infra.local.trino import GLUE_KEY
from tests.infra.aws.cloud import Cloud, read_cloud
from tests.infra.aws.policy_simulation import Recorded, allowed, denied, read_record, unused
from tests.system.hourly_run import CITY

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

STEPS = CITY.steps_project
PARTS = {CITY.glue_job("curate_readings"), CITY.glue_job("rollup_5min"), STEPS}
# What Trino asks of the catalog and Athena does not: Athena computes the partitions of a table with projection by
# itself ("Use partition projection with Amazon Athena"), and keeps no statistics that nobody has asked it to compute.
ONLY_TRINO = {"BatchGetPartition", "DeleteColumnStatisticsForTable"}

# Actions that a role allows and that were used on nothing, with the reason why it does.
UNUSED: dict[str, dict[str, list[str]]] = {
    "Glue and CodeBuild write the log, with the part's role; here the endpoint keeps what a process says": {
        "curate-readings": [
            "logs:AssociateKmsKey",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
        "rollup-5min": ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "steps": ["logs:CreateLogStream", "logs:PutLogEvents"],
    },
    "Glue demands it of the role for the key of the security configuration": {
        "curate-readings": ["kms:DescribeKey", "kms:Encrypt"],
        "rollup-5min": ["kms:DescribeKey", "kms:Encrypt"],
    },
    "Iceberg and Athena clean up after a write that failed": {
        "curate-readings": ["s3:AbortMultipartUpload", "s3:DeleteObject"],
        "rollup-5min": ["s3:AbortMultipartUpload", "s3:DeleteObject"],
        "steps": ["athena:StopQueryExecution", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
    },
    "CodeBuild fetches the project's files with the role; at home they are there": {
        "steps": ["s3:GetBucketAcl", "s3:GetObjectVersion"],
    },
    "Athena looks where a bucket is; Trino is told": {"steps": ["s3:GetBucketLocation"]},
    "dbt-athena asks for it with tables that are not Iceberg's, and when it expires versions of a table": {
        "steps": ["glue:BatchCreatePartition", "glue:BatchDeletePartition", "glue:DeleteTableVersion"],
    },
    "Athena reads single partitions where a query names them": {"steps": ["glue:GetPartition"]},
}


@pytest.fixture(scope="module")
def recorded(hourly_run) -> list[Recorded]:
    """What the parts of the hourly run called while the state machine ran over two hours of a small city."""
    return hourly_calls(hourly_run.record)


def hourly_calls(record: Path) -> list[Recorded]:
    """Return the calls of the hourly run's parts, those of Athena as the steps'."""
    names = {ATHENA_KEY: STEPS, GLUE_KEY: STEPS} | {name: name for name in PARTS}
    return [
        each._replace(call=each.call._replace(principal=names[each.call.principal]))
        for each in read_record(record)
        if each.call.principal in names and not (each.call.principal == GLUE_KEY and each.call.operation in ONLY_TRINO)
    ]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    """What the stacks would be for a stage of the same names as the local home."""
    return read_cloud(synthesize(Stage(city=CITY, sensors=200, interval_s=60), tmp_path_factory.mktemp("synth")))


def test_all_parts_were_at_work(recorded):
    assert {each.call.principal for each in recorded} == PARTS


def test_every_call_is_allowed_by_the_role_of_who_made_it(recorded, cloud):
    assert denied(recorded, cloud) == []


def test_what_is_allowed_and_used_on_nothing_is_known_with_the_reason_for_it(recorded, cloud):
    parts = {part.removeprefix(f"{CITY.prefix}-") for part in PARTS}
    everything = {each for each in allowed(cloud, CITY.prefix) if each[0] in parts}
    not_used = unused(recorded, cloud, CITY.prefix)
    for each in sorted(everything & not_used):
        print(*each)  # noqa: T201 — the list, which `pytest -rP` shows
    used = {(who, action) for who, action, _ in everything - not_used}
    listed = {(who, action) for parts in UNUSED.values() for who, actions in parts.items() for action in actions}
    assert {(who, action) for who, action, _ in everything} - used - listed == set(), (
        "used on nothing, without a reason"
    )
    assert listed - {(who, action) for who, action, _ in everything} == set(), "no longer allowed"
