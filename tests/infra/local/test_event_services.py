"""The whole way of an event, as alerts go it: stream, function, table, pipe, bus, rule, topic, queue."""

import json

import boto3
import pytest

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::000000000000:role/r"
TRACK = """
import base64, boto3, json
table = boto3.resource("dynamodb").Table("words")
def handler(event, context):
    for record in event["Records"]:
        number = record["kinesis"]["sequenceNumber"]
        word = base64.b64decode(record["kinesis"]["data"]).decode()
        if word == "bad":
            return {"batchItemFailures": [{"itemIdentifier": number}]}
        table.put_item(Item={"id": number, "word": word})
"""
DESCRIBE = """
def handler(events, context):
    words = [event["dynamodb"]["NewImage"]["word"]["S"] for event in events]
    return [{"detail_type": "Word", "detail": {"word": word}} for word in words]
"""


@pytest.fixture
def city(endpoint, create_function):
    """Everything between a stream `words` and a queue `words`; yields what a test needs of it."""
    clients = {name: boto3.client(name) for name in ("dynamodb", "events", "kinesis", "lambda", "pipes", "sns", "sqs")}
    clients["kinesis"].create_stream(StreamName="words", ShardCount=1)
    stream = clients["kinesis"].describe_stream_summary(StreamName="words")["StreamDescriptionSummary"]["StreamARN"]
    table = clients["dynamodb"].create_table(
        TableName="words",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]
    queues = {name: clients["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("words", "words-failed")}
    arns = {name: f"arn:aws:sqs:us-east-1:000000000000:{name}" for name in queues}
    mapping = clients["lambda"].create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=create_function(TRACK),
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": arns["words-failed"]}},
    )["UUID"]
    bus = clients["events"].create_event_bus(Name="words")["EventBusArn"]
    topic = clients["sns"].create_topic(Name="words")["TopicArn"]
    clients["sns"].subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arns["words"], Attributes={"RawMessageDelivery": "true"}
    )
    clients["events"].put_rule(Name="words", EventBusName="words", EventPattern=json.dumps({"source": ["words"]}))
    clients["events"].put_targets(
        Rule="words", EventBusName="words", Targets=[{"Id": "t", "Arn": topic, "InputPath": "$.detail"}]
    )
    clients["pipes"].create_pipe(
        Name="words",
        RoleArn=ROLE,
        Source=table["LatestStreamArn"],
        SourceParameters={
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT"]})}]},
            "DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 10},
        },
        Enrichment=f"arn:aws:lambda:us-east-1:000000000000:function:{create_function(DESCRIBE)}",
        Target=bus,
        TargetParameters={
            "EventBridgeEventBusParameters": {"Source": "words", "DetailType": "$.detail_type"},
            "InputTemplate": "<$.detail>",
        },
    )
    yield clients, queues
    clients["lambda"].delete_event_source_mapping(UUID=mapping)
    clients["pipes"].delete_pipe(Name="words")


def test_each_good_record_is_one_message_and_the_bad_one_is_in_the_failed_queue(city, wait_for):
    clients, queues = city

    def take(name, count):
        found = []

        def more():
            answer = clients["sqs"].receive_message(QueueUrl=queues[name], MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                clients["sqs"].delete_message(QueueUrl=queues[name], ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        wait_for(more)
        return found

    words = [f"word-{number}" for number in range(20)]
    records = [{"Data": word.encode(), "PartitionKey": "k"} for word in [*words, "bad"]]
    numbers = [
        each["SequenceNumber"]
        for each in clients["kinesis"].put_records(StreamName="words", Records=records)["Records"]
    ]
    (failed,) = take("words-failed", 1)
    assert failed["KinesisBatchInfo"]["startSequenceNumber"] == numbers[-1]
    clients["kinesis"].put_record(StreamName="words", Data=b"last", PartitionKey="k")
    assert [message["word"] for message in take("words", 21)] == [*words, "last"]
