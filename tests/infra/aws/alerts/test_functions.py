"""Each function is as at home, and its role allows the calls that it makes and no other."""

import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from infra import alert_definitions as definitions
from infra.aws.alerts.functions import AlertFunctions
from infra.aws.alerts.table import AlertTable
from infra.aws.ingest.streams import Streams
from infra.aws.storage.buckets import Buckets
from tests.infra.aws.templates import allowed, flat, named, of_type, properties

LAKE = "trafficlake-test-lake-example-city"
REFERENCE = f"arn:aws:s3:::{LAKE}/published/alerts/reference.json.gz"
USUAL = f"arn:aws:s3:::{LAKE}/published/alerts/usual.json.gz"
READINGS, SEGMENTS = "trafficlake-test-readings", "trafficlake-test-segment-readings"
TABLE, FAILED = "trafficlake-test-sensor-state", "trafficlake-test-alerts-failed"
LAKE_KEY, STREAMS_KEY = "alias/trafficlake-test-lake", "alias/trafficlake-test-streams"


def reads_stream(name):
    actions = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    return {f"kinesis:{action}": {name} for action in actions}


ALLOWED = {
    "judge": {
        **reads_stream(READINGS),
        "kinesis:PutRecords": {SEGMENTS},
        "s3:GetObject": {REFERENCE},
        "s3:ListBucket": {f"arn:aws:s3:::{LAKE}"},
        "kms:Decrypt": {STREAMS_KEY, LAKE_KEY},
        "kms:GenerateDataKey": {STREAMS_KEY},
        "sqs:SendMessage": {FAILED},
    },
    "track": {
        **reads_stream(SEGMENTS),
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:Query": {TABLE},
        "s3:GetObject": {REFERENCE},
        "s3:ListBucket": {f"arn:aws:s3:::{LAKE}"},
        "kms:Decrypt": {STREAMS_KEY, LAKE_KEY},
        "sqs:SendMessage": {FAILED},
    },
    "describe": {
        "s3:GetObject": {REFERENCE, USUAL},
        "s3:ListBucket": {f"arn:aws:s3:::{LAKE}"},
        "kms:Decrypt": {LAKE_KEY},
    },
    "watch": {
        "kinesis:ListShards": {SEGMENTS},
        "kinesis:PutRecords": {SEGMENTS},
        "dynamodb:GetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:Query": {f"{TABLE}/index/zone_time"},
        "dynamodb:Scan": {f"{TABLE}/index/in_alert"},
        "s3:GetObject": {REFERENCE},
        "s3:ListBucket": {f"arn:aws:s3:::{LAKE}"},
        "kms:Decrypt": {LAKE_KEY},
        "kms:GenerateDataKey": {STREAMS_KEY},
    },
}


@pytest.fixture(scope="module")
def functions(resources_of, stage):
    def make(stack):
        AlertFunctions(
            stack,
            "Functions",
            stage=stage,
            code=lambda_.Code.from_bucket(s3.Bucket.from_bucket_name(stack, "Code", "code"), "functions.zip"),
            streams=Streams(stack, "Streams", stage=stage),
            table=AlertTable(stack, "Table", stage=stage),
            buckets=Buckets(stack, "Buckets", stage=stage),
            failed=sqs.Queue(stack, "Failed", queue_name=stage.city.failed_queue),
        )

    return resources_of(make)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_function_may_do_what_it_does_and_write_its_log(functions, stage, name):
    granted = named(functions, allowed(functions, f"Functions{name}Role"))
    log = {f"arn:aws:logs:us-east-1:<AWS::AccountId>:log-group:/aws/lambda/{stage.city.prefix}-{name}:*"}
    assert granted.pop("logs:CreateLogStream") == granted.pop("logs:PutLogEvents") == log
    assert granted == ALLOWED[name]


def function(functions, stage, name):
    return properties(functions, "AWS::Lambda::Function", FunctionName=definitions.function_name(stage.city, name))


@pytest.mark.parametrize("name", ALLOWED)
def test_a_function_has_the_limits_and_variables_that_it_has_at_home(functions, stage, name):
    found = function(functions, stage, name)
    assert (found["Timeout"], found["MemorySize"]) == definitions.LIMITS[name]
    assert found["Environment"] == {"Variables": definitions.function_variables(stage.city)}
    assert (found["Runtime"], found["Handler"]) == (definitions.RUNTIME, definitions.handler(name))
    assert found["Architectures"] == ["x86_64"]


@pytest.mark.parametrize("name", ALLOWED)
def test_a_log_is_kept_as_long_as_the_stage_says(functions, stage, name):
    group = functions[function(functions, stage, name)["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group["Properties"]["LogGroupName"] == f"/aws/lambda/{definitions.function_name(stage.city, name)}"
    assert group["Properties"]["RetentionInDays"] == 7


def test_the_functions_that_read_streams_read_them_as_at_home(functions, stage):
    streams = {}
    for mapping in of_type(functions, "AWS::Lambda::EventSourceMapping"):
        found = {name: value for name, value in mapping["Properties"].items() if name != "Tags"}
        name = functions[found.pop("FunctionName")["Ref"]]["Properties"]["FunctionName"].rpartition("-")[2]
        stream = functions[found.pop("EventSourceArn")["Fn::GetAtt"][0]]["Properties"]["Name"]
        queue = found["DestinationConfig"]["OnFailure"]["Destination"]
        assert functions[queue["Fn::GetAtt"][0]]["Properties"]["QueueName"] == stage.city.failed_queue
        assert found == definitions.mapping(name, queue)
        assert "AWS::IAM::Policy" in {functions[each]["Type"] for each in mapping["DependsOn"]}
        streams[name] = stream
    assert streams == {"judge": READINGS, "track": SEGMENTS}


def test_no_two_functions_share_a_role(functions):
    roles = [flat(each["Properties"]["Role"]) for each in of_type(functions, "AWS::Lambda::Function")]
    assert len(set(roles)) == len(roles)
