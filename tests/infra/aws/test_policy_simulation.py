"""Who may reach what, by the templates of a stage, and whether the simulation that says so is right itself."""

import json

import pytest

from infra.aws.stages import STAGES
from infra.local.api_calls import Call
from tests.infra.aws.cloud import Cloud, Role, read_cloud
from tests.infra.aws.permissions import Need, needs
from tests.infra.aws.policy_simulation import Recorded, allows, label, needs_of


def role(*statements):
    """Return a role with these statements: (effect, actions, resources, condition or nothing)."""
    documents = [
        {"Effect": effect, "Action": actions, "Resource": resources}
        | ({"Condition": condition[0]} if condition else {})
        for effect, actions, resources, *condition in statements
    ]
    return Role("arn:aws:iam::000000000000:role/r", frozenset(), frozenset(), [{"Statement": documents}])


# Outcomes as the IAM User Guide tells them.
@pytest.mark.parametrize(
    ("statements", "need", "allowed"),
    [
        # "Policy evaluation logic": by default all requests are denied; an explicit deny overrides an allow.
        ([], Need("s3:GetObject", "arn:aws:s3:::b/k"), False),
        ([("Allow", "s3:*", "*")], Need("s3:GetObject", "arn:aws:s3:::b/k"), True),
        (
            [("Allow", "s3:*", "*"), ("Deny", "s3:*", "arn:aws:s3:::b/secret/*")],
            Need("s3:GetObject", "arn:aws:s3:::b/secret/k"),
            False,
        ),
        # "IAM JSON policy elements: Action": the prefix and the name are case insensitive; wildcards match.
        ([("Allow", "iam:*AccessKey*", "*")], Need("iam:UpdateAccessKey", "*"), True),
        ([("Allow", "S3:getobject", "*")], Need("s3:GetObject", "arn:aws:s3:::b/k"), True),
        # "IAM JSON policy elements: Resource": a wildcard does not leave out slashes, `?` is one character.
        (
            [("Allow", "s3:GetObject", "arn:aws:s3:::b/*/test/*")],
            Need("s3:GetObject", "arn:aws:s3:::b/1/2/test/3"),
            True,
        ),
        ([("Allow", "s3:GetObject", "arn:aws:s3:::b/k?")], Need("s3:GetObject", "arn:aws:s3:::b/k"), False),
        ([("Allow", "s3:GetObject", "arn:aws:s3:::b/K")], Need("s3:GetObject", "arn:aws:s3:::b/k"), False),
        # A bucket is not its objects ("Amazon S3: Allows read and write access to objects in a specific bucket").
        ([("Allow", "s3:ListBucket", "arn:aws:s3:::b/*")], Need("s3:ListBucket", "arn:aws:s3:::b"), False),
        # "Amazon S3: Allows IAM users access to their S3 home directory": the list is narrowed by its prefix.
        (
            [("Allow", "s3:ListBucket", "arn:aws:s3:::b", {"StringLike": {"s3:prefix": ["", "home/", "home/bob/*"]}})],
            Need("s3:ListBucket", "arn:aws:s3:::b", (("s3:prefix", "home/bob/x"),)),
            True,
        ),
        (
            [("Allow", "s3:ListBucket", "arn:aws:s3:::b", {"StringLike": {"s3:prefix": ["", "home/", "home/bob/*"]}})],
            Need("s3:ListBucket", "arn:aws:s3:::b", (("s3:prefix", "home/alice/x"),)),
            False,
        ),
        # "IAM JSON policy elements: Condition operators": an absent key does not match, but for …IfExists.
        (
            [("Allow", "s3:*", "*", {"StringEquals": {"s3:prefix": "a"}})],
            Need("s3:ListBucket", "arn:aws:s3:::b"),
            False,
        ),
        (
            [("Allow", "s3:*", "*", {"StringEqualsIfExists": {"s3:prefix": "a"}})],
            Need("s3:ListBucket", "arn:aws:s3:::b"),
            True,
        ),
        # "AWS: Denies access to AWS based on the requested Region", and what comes unencrypted.
        (
            [("Allow", "s3:*", "*"), ("Deny", "*", "*", {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})],
            Need("s3:GetObject", "arn:aws:s3:::b/k"),
            False,
        ),
        (
            [("Allow", "s3:*", "*"), ("Deny", "*", "*", {"Bool": {"aws:SecureTransport": "false"}})],
            Need("s3:GetObject", "arn:aws:s3:::b/k"),
            True,
        ),
        # "aws:PrincipalArn" is compared with wildcards.
        (
            [("Allow", "s3:*", "*", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/r"}})],
            Need("s3:GetObject", "arn:aws:s3:::b/k"),
            True,
        ),
    ],
)
def test_a_policy_allows_and_denies_as_the_iam_guide_says(statements, need, allowed):
    assert allows(role(*statements), need) == allowed


STREAM, KEY = "arn:aws:kinesis:us-east-1:000000000000:stream/s", "arn:aws:kms:us-east-1:000000000000:key/k"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/t"
ENCRYPTED = Cloud([], {STREAM: KEY, "arn:aws:s3:::b": KEY})


@pytest.mark.parametrize(
    ("service", "operation", "names", "needed"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k"), ("kms:Decrypt", KEY)]),
        ("s3", "GetObject", {"Bucket": "plain", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::plain/k")]),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Keys": ["k", "l"]},
            [("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObject", "arn:aws:s3:::b/l")],
        ),
        (
            "s3",
            "CopyObject",
            {"Bucket": "plain", "Key": "k", "CopySource": "b/l"},
            [("s3:PutObject", "arn:aws:s3:::plain/k"), ("s3:GetObject", "arn:aws:s3:::b/l"), ("kms:Decrypt", KEY)],
        ),
        ("kinesis", "PutRecords", {"StreamName": "s"}, [("kinesis:PutRecords", STREAM), ("kms:GenerateDataKey", KEY)]),
        ("kinesis", "ListShards", {"StreamARN": STREAM}, [("kinesis:ListShards", STREAM)]),
        (
            "dynamodb",
            "Query",
            {"TableName": "t", "IndexName": "i"},
            [("dynamodb:Query", f"{TABLE}/index/i")],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"Puts": ["t"], "Checks": ["t"]},
            [("dynamodb:ConditionCheckItem", TABLE), ("dynamodb:PutItem", TABLE)],
        ),
        (
            "glue",
            "GetTable",
            {"DatabaseName": "d", "Name": "t"},
            [
                ("glue:GetTable", f"arn:aws:glue:us-east-1:000000000000:{resource}")
                for resource in ("catalog", "database/d", "table/d/t")
            ],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            [("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:f")],
        ),
        ("monitoring", "PutMetricData", {"Namespace": "n"}, [("cloudwatch:PutMetricData", "*")]),
        ("sts", "GetCallerIdentity", {}, []),
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "http://h/1/q"},
            [("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:q")],
        ),
    ],
)
def test_a_call_needs_the_actions_that_the_services_guides_name(service, operation, names, needed):
    assert [(need.action, need.resource) for need in needs(Call("me", service, operation, names), ENCRYPTED)] == needed


def test_who_is_told_that_an_object_is_missing_may_list_the_bucket():
    call = Call("me", "s3", "GetObject", {"Bucket": "b", "Key": "k"})
    assert Need("s3:ListBucket", "arn:aws:s3:::b") in needs(call, ENCRYPTED, missing=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call("me", "unheard", "Do", {}), "unheard:Do needs is not known"),
        (Call("me", "kinesis", "PutRecordz", {"StreamName": "s"}), "no action kinesis:PutRecordz"),
        (Call("me", "s3", "GET /b/k", {"Bucket": "b"}), "no action s3:GET"),
        (Call("me", "s3", "CreateBucket", {}), r"s3:CreateBucket is not an action on \*"),
    ],
)
def test_a_call_that_is_not_understood_is_no_allowed_call(call, message):
    with pytest.raises(LookupError, match=message):
        needs(call, ENCRYPTED)


def test_records_are_read_from_the_stream_that_the_callers_iterator_was_for():
    mine = Call("me", "kinesis", "GetShardIterator", {"StreamName": "s"})
    others = Call("other", "kinesis", "GetShardIterator", {"StreamName": "o"})
    calls = [mine, others, Call("me", "kinesis", "GetRecords", {})]
    found = needs_of([Recorded(call, missing=False) for call in calls], ENCRYPTED)
    assert [resource for who, (action, resource, _) in found if action == "kinesis:GetRecords"] == [STREAM]
    with pytest.raises(LookupError, match="without GetShardIterator"):
        needs_of([Recorded(Call("another", "kinesis", "GetRecords", {}), missing=False)], ENCRYPTED)


# ---- the templates of stage prod


@pytest.fixture(scope="module")
def cloud(synthesized):
    return read_cloud(synthesized)


PREFIX = STAGES["prod"].city.prefix


def arn(service, resource):
    return f"arn:aws:{service}:us-east-1:000000000000:{resource}"


RAW, LAKE = (f"arn:aws:s3:::{PREFIX}-{name}-example-city" for name in ("raw", "lake"))
DOCS, RESULTS = (f"arn:aws:s3:::{PREFIX}-{name}-example-city" for name in ("docs", "results"))
READINGS, SEGMENTS = (arn("kinesis", f"stream/{PREFIX}-{name}") for name in ("readings", "segment-readings"))
STATE = arn("dynamodb", f"table/{PREFIX}-sensor-state")
BUS = arn("events", f"event-bus/{PREFIX}-alerts")
FAILED, UNDELIVERED = (arn("sqs", f"{PREFIX}-alerts-{name}") for name in ("failed", "undelivered"))
DAILY = "schedule of congestion-episodes, maintain-tables"
JOBS = {"congestion-episodes", "curate-readings", "maintain-tables", "rollup-5min"}
FUNCTIONS = {"judge", "track", "describe", "watch"}


def key(purpose):
    return arn("kms", f"key/{PREFIX}-{purpose}")


@pytest.mark.parametrize(
    ("action", "resource", "who"),
    [
        ("s3:PutObject", f"{RAW}/readings/dt=2026-01-01/hour=00/x.parquet", {"firehose"}),
        ("s3:PutObject", f"{RAW}/backup/dt=2026-01-01/hour=00/x.gz", {"firehose"}),
        ("s3:PutObject", f"{RAW}/device-errors/x", {"iot"}),
        ("s3:GetObject", f"{RAW}/readings/dt=2026-01-01/hour=00/x.parquet", {"curate-readings", "firehose", "steps"}),
        ("s3:GetObject", f"{RAW}/device-errors/x", set()),
        ("s3:DeleteObject", f"{RAW}/readings/dt=2026-01-01/hour=00/x.parquet", set()),
        ("s3:GetObject", f"{LAKE}/published/alerts/reference.json.gz", FUNCTIONS | {"steps"}),
        ("s3:GetObject", f"{LAKE}/published/alerts/usual.json.gz", {"describe", "steps"}),
        ("s3:PutObject", f"{LAKE}/published/alerts/reference.json.gz", {"steps"}),
        ("s3:PutObject", f"{LAKE}/published/alerts/another.json.gz", set()),
        ("s3:GetObject", f"{LAKE}/runs/plans/x.json", {"hourly", "steps"}),
        ("s3:PutObject", f"{LAKE}/runs/plans/x.json", {"steps"}),
        ("s3:GetObject", f"{LAKE}/marts/t/x.parquet", {"maintain-tables", "steps"}),
        ("s3:PutObject", f"{LAKE}/marts/t/x.parquet", {"maintain-tables", "steps"}),
        ("s3:DeleteObject", f"{LAKE}/marts/t/x.parquet", {"maintain-tables", "steps"}),
        ("s3:PutObject", f"{LAKE}/curated/pending_hours/data/x", {"curate-readings", "maintain-tables", "steps"}),
        ("s3:PutObject", f"{LAKE}/reference/sensors/data/x", {"maintain-tables"}),
        ("s3:GetObject", f"{LAKE}/curated/readings/data/x.parquet", JOBS | {"quicksight", "steps"}),
        ("s3:PutObject", f"{LAKE}/curated/readings/data/x.parquet", {"curate-readings", "maintain-tables"}),
        ("s3:DeleteObject", f"{LAKE}/curated/readings/data/x.parquet", {"curate-readings", "maintain-tables"}),
        ("s3:PutObject", f"{LAKE}/curated/sensor_5min/data/x.parquet", {"maintain-tables", "rollup-5min"}),
        ("s3:PutObject", f"{LAKE}/raw/x", set()),
        ("s3:PutObject", f"{DOCS}/index.html", set()),
        ("s3:PutObject", f"{DOCS}/quality/marts/index.html", {"steps"}),
        ("s3:GetObject", f"{RESULTS}/athena/x.csv", {"steps"}),
        ("s3:GetObject", f"{RESULTS}/analysts/x.csv", set()),
        ("glue:UpdateTable", arn("glue", "table/marts/t"), {"maintain-tables", "steps"}),
        ("glue:DeleteTable", arn("glue", "table/marts/t"), {"steps"}),
        (
            "glue:UpdateTable",
            arn("glue", "table/curated/readings"),
            {"curate-readings", "maintain-tables", "rollup-5min"},
        ),
        ("glue:DeleteTable", arn("glue", "table/curated/readings"), set()),
        ("glue:CreateTable", arn("glue", "table/raw/t"), set()),
        ("athena:StartQueryExecution", arn("athena", f"workgroup/{PREFIX}"), {"steps"}),
        ("athena:StartQueryExecution", arn("athena", f"workgroup/{PREFIX}-analysts"), set()),
        ("states:StartExecution", arn("states", f"stateMachine:{PREFIX}-hourly"), {"schedule of hourly"}),
        ("codebuild:StartBuild", arn("codebuild", f"project/{PREFIX}-steps"), {"hourly"}),
        ("glue:StartJobRun", arn("glue", f"job/{PREFIX}-curate-readings"), {"hourly"}),
        ("glue:StartJobRun", arn("glue", f"job/{PREFIX}-maintain-tables"), {DAILY}),
        ("sns:Publish", arn("sns", f"{PREFIX}-operators"), {"hourly"}),
        ("kinesis:PutRecord", READINGS, {"iot"}),
        ("kinesis:PutRecords", READINGS, set()),
        ("kinesis:GetRecords", READINGS, {"firehose", "judge"}),
        ("kinesis:PutRecords", SEGMENTS, {"judge", "watch"}),
        ("kinesis:GetRecords", SEGMENTS, {"track"}),
        ("dynamodb:PutItem", STATE, {"track", "watch"}),
        ("dynamodb:UpdateItem", STATE, set()),
        ("dynamodb:DeleteItem", STATE, set()),
        ("dynamodb:Scan", STATE, set()),
        ("dynamodb:Query", STATE, {"track"}),
        ("dynamodb:Scan", f"{STATE}/index/in_alert", {"watch"}),
        ("events:PutEvents", BUS, {"pipes"}),
        ("sqs:SendMessage", FAILED, {"judge", "track"}),
        ("sqs:SendMessage", UNDELIVERED, {"pipes"}),
        ("sqs:ReceiveMessage", UNDELIVERED, set()),
        ("lambda:InvokeFunction", arn("lambda", f"function:{PREFIX}-describe"), {"pipes"}),
        ("lambda:InvokeFunction", arn("lambda", f"function:{PREFIX}-judge"), set()),
        ("logs:PutLogEvents", arn("logs", f"log-group:/aws/lambda/{PREFIX}-judge:log-stream:x"), {"judge"}),
        ("kms:Decrypt", key("raw"), {"curate-readings", "firehose", "steps"}),
        ("kms:GenerateDataKey", key("raw"), {"firehose", "iot"}),
        ("kms:Decrypt", key("lake"), FUNCTIONS | JOBS | {"hourly", "quicksight", "steps"}),
        ("kms:GenerateDataKey", key("lake"), JOBS | {"quicksight", "steps"}),
        ("kms:Encrypt", key("jobs"), JOBS),
        ("kms:GenerateDataKey", key("operators"), {"hourly"}),
        ("kms:Decrypt", key("streams"), {"firehose", "judge", "track"}),
        ("kms:GenerateDataKey", key("streams"), {"iot", "judge", "watch"}),
        ("kms:Decrypt", key("alerts"), set()),
    ],
)
def test_only_those_reach_a_resource_who_have_to_do_with_it(cloud, action, resource, who):
    assert {label(each, PREFIX) for each in cloud.roles if allows(each, Need(action, resource))} == who


FOREIGN = [
    ("s3:GetObject", "arn:aws:s3:::another-bucket/k"),
    ("s3:GetObject", f"{LAKE}-of-another/published/alerts/reference.json.gz"),
    ("s3:ListAllMyBuckets", "*"),
    ("s3:DeleteBucket", LAKE),
    ("s3:PutBucketPolicy", RAW),
    ("s3:PutLifecycleConfiguration", RAW),
    ("s3:DeleteObjectVersion", f"{RAW}/readings/dt=2026-01-01/hour=00/x.parquet"),
    ("s3:GetObject", f"arn:aws:s3:::{PREFIX}-access-logs-example-city/x"),
    ("kinesis:GetRecords", arn("kinesis", "stream/another")),
    ("kinesis:DeleteStream", READINGS),
    ("dynamodb:GetItem", arn("dynamodb", "table/another")),
    ("dynamodb:PutItem", f"{STATE}-2"),
    ("dynamodb:DeleteTable", STATE),
    ("sqs:PurgeQueue", FAILED),
    ("events:PutEvents", arn("events", "event-bus/default")),
    ("events:PutRule", arn("events", f"rule/{PREFIX}-alerts/another")),
    ("lambda:UpdateFunctionCode", arn("lambda", f"function:{PREFIX}-judge")),
    ("logs:DeleteLogGroup", arn("logs", f"log-group:/aws/lambda/{PREFIX}-judge:*")),
    ("kms:Decrypt", arn("kms", "key/another")),
    ("kms:PutKeyPolicy", key("lake")),
    ("kms:ScheduleKeyDeletion", key("raw")),
    ("secretsmanager:GetSecretValue", arn("secretsmanager", f"secret:{PREFIX}-alert-webhook-000000")),
    ("iam:CreateUser", "arn:aws:iam::000000000000:user/another"),
    ("iam:AttachRolePolicy", f"arn:aws:iam::000000000000:role/{PREFIX}-any"),
    ("iam:PassRole", f"arn:aws:iam::000000000000:role/{PREFIX}-any"),
    ("sts:AssumeRole", "arn:aws:iam::000000000000:role/administrator"),
]


@pytest.mark.parametrize(("action", "resource"), FOREIGN)
def test_what_is_not_of_the_city_or_not_for_programs_is_denied_to_every_role(cloud, action, resource):
    assert [each.arn for each in cloud.roles if allows(each, Need(action, resource))] == []


def test_policies_hold_nothing_that_the_simulation_does_not_read(cloud):
    assert cloud.roles
    for each in cloud.roles:
        for statement in (statement for policy in each.policies for statement in policy["Statement"]):
            assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}
            assert statement.get("Condition", {}).keys() <= {
                "ForAnyValue:StringEquals",
                "StringEquals",
                "StringLike",
                "ArnEquals",
                "ArnLike",
                "Bool",
            }
            assert "${" not in json.dumps(statement)
