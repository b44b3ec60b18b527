"""From a table's changes to events on a bus, on a real endpoint; and from the bus by a rule to a queue."""

import json
import time
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import pipe_runs
from infra.local.pipe_runs import RefusedError

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow

DESCRIBE = """
import json
def handler(events, context):
    print(json.dumps(events))
    found = []
    for event in events:
        image = event["dynamodb"]["NewImage"]
        if image["word"]["S"] == "bad":
            raise ValueError("bad")
        if image["word"]["S"] != "silent":
            found.append({"detail_type": "Word" + image["n"]["N"], "detail": {"word": image["word"]["S"]}})
    return found
"""
FILTER = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"word": {"S": [{"exists": True}]}}}}


class Lane:
    """A table with a stream, a pipe to a bus of its own, and a rule that brings all its events to a queue."""

    def __init__(self, create_function, wait_for):
        self.name, self.wait_for = f"lane-{uuid.uuid4().hex[:8]}", wait_for
        self.connect()
        boto3.client("dynamodb").create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        stream = boto3.client("dynamodb").describe_table(TableName=self.name)["Table"]["LatestStreamArn"]
        self.bus = self.events.create_event_bus(Name=self.name)["EventBusArn"]
        self.queue, queue_arn = self._queue(self.name)
        self.failed, self.failed_arn = self._queue(f"{self.name}-failed")
        self.events.put_rule(
            Name="all",
            EventBusName=self.name,
            EventPattern=json.dumps({"source": ["words"], "detail-type": [{"prefix": "Word"}]}),
        )
        self.events.put_targets(Rule="all", EventBusName=self.name, Targets=[{"Id": "q", "Arn": queue_arn}])
        self.function = create_function(DESCRIBE)
        arn = boto3.client("lambda").get_function(FunctionName=self.function)["Configuration"]["FunctionArn"]
        self.settings = {
            "Name": self.name,
            "RoleArn": "arn:aws:iam::000000000000:role/pipe",
            "Source": stream,
            "SourceParameters": {
                "FilterCriteria": {"Filters": [{"Pattern": json.dumps(FILTER)}]},
                "DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 10},
            },
            "Enrichment": arn,
            "Target": self.bus,
            "TargetParameters": {
                "EventBridgeEventBusParameters": {"Source": "words", "DetailType": "$.detail_type"},
                "InputTemplate": "<$.detail>",
            },
        }

    def connect(self):
        self.table = boto3.resource("dynamodb").Table(self.name)
        self.events, self.sqs, self.pipes = (boto3.client(each) for each in ("events", "sqs", "pipes"))

    def _queue(self, name):
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, attributes["Attributes"]["QueueArn"]

    def create_pipe(self, **source):
        self.settings["SourceParameters"]["DynamoDBStreamParameters"] |= source
        return self.pipes.create_pipe(**self.settings)

    def put(self, *words):
        for word in words:
            self.table.put_item(Item={"id": uuid.uuid4().hex, "word": word, "n": len(word)})

    def take(self, url):
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def words(self, count):
        """Wait for so many events; returns their words in the order of their arrival."""
        found = []

        def more():
            found.extend(self.take(self.queue))
            return len(found) >= count

        self.wait_for(more)
        return [event["detail"]["word"] for event in found]


@pytest.fixture
def lane(endpoint, create_function, wait_for):
    made = Lane(create_function, wait_for)
    yield made
    if made.pipes.list_pipes(NamePrefix=made.name)["Pipes"]:
        made.pipes.delete_pipe(Name=made.name)


def test_changes_that_pass_the_filter_are_on_the_bus_once_and_in_order(lane):
    lane.put("before")
    lane.create_pipe()
    lane.table.put_item(Item={"id": "no word"})
    lane.table.put_item(Item={"id": "a", "word": "first", "n": 5})
    lane.table.put_item(Item={"id": "a", "word": "changed", "n": 7})
    lane.table.delete_item(Key={"id": "a"})
    words = [f"w{number}" for number in range(25)]
    lane.put("silent", *words)
    assert lane.words(27) == ["before", "first", *words]
    time.sleep(0.5)
    assert lane.take(lane.queue) == []


def test_an_event_has_its_source_its_type_from_a_path_and_its_detail_from_the_template(lane):
    lane.create_pipe()
    lane.put("word")
    (event,) = lane.wait_for(lambda: lane.take(lane.queue))
    assert (event["source"], event["detail-type"], event["detail"]) == ("words", "Word4", {"word": "word"})
    group = f"/aws/lambda/{lane.function}"
    logs = boto3.client("logs")
    lane.wait_for(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
    found = lane.wait_for(lambda: logs.filter_log_events(logGroupName=group)["events"])
    (asked,) = json.loads(next(line["message"] for line in found if line["message"].startswith("[")))
    assert asked["eventSource"] == "aws:dynamodb"
    assert asked["eventSourceARN"] == lane.settings["Source"]
    assert asked["dynamodb"].keys() >= {"Keys", "NewImage", "SequenceNumber", "ApproximateCreationDateTime"}


def test_a_pipe_from_the_latest_change_tells_nothing_of_earlier_ones(lane):
    lane.put("before")
    lane.create_pipe(StartingPosition="LATEST")
    lane.put("after")
    assert lane.words(1) == ["after"]


def test_a_throttled_enrichment_is_asked_again_until_it_answers(lane):
    functions = boto3.client("lambda")
    functions.put_function_concurrency(FunctionName=lane.function, ReservedConcurrentExecutions=0)
    lane.create_pipe(MaximumRetryAttempts=0, DeadLetterConfig={"Arn": lane.failed_arn})
    lane.put("one", "two")
    time.sleep(0.7)
    functions.delete_function_concurrency(FunctionName=lane.function)
    assert lane.words(2) == ["one", "two"]
    assert lane.take(lane.failed) == []


def test_what_the_enrichment_refuses_ends_in_the_dead_letter_queue_alone_when_bisecting(lane):
    lane.put("one", "bad", "two")
    lane.create_pipe(
        MaximumRetryAttempts=1,
        DeadLetterConfig={"Arn": lane.failed_arn},
        OnPartialBatchItemFailure="AUTOMATIC_BISECT",
    )
    assert lane.words(2) == ["one", "two"]
    (document,) = lane.wait_for(lambda: lane.take(lane.failed))
    assert document["context"]["condition"] == "RetryAttemptsExhausted"
    assert document["context"]["partnerResourceArn"].endswith(f":pipe/{lane.name}")
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1
    assert document["DDBStreamBatchInfo"]["streamArn"] == lane.settings["Source"]


def test_a_stopped_pipe_goes_on_where_it_was(lane):
    lane.create_pipe()
    lane.put("one")
    assert lane.words(1) == ["one"]
    lane.pipes.stop_pipe(Name=lane.name)
    time.sleep(0.5)
    lane.put("two")
    time.sleep(0.5)
    assert lane.take(lane.queue) == []
    lane.pipes.start_pipe(Name=lane.name)
    assert lane.words(1) == ["two"]


def test_a_pipe_is_described_as_it_was_made_and_what_the_endpoint_does_not_have_is_refused(lane):
    with pytest.raises(ClientError, match="BatchSize must be between 1 and 10"):
        lane.create_pipe(BatchSize=100)
    with pytest.raises(ClientError, match="to event buses only"):
        lane.pipes.create_pipe(**lane.settings | {"Target": lane.failed_arn})
    lane.create_pipe(BatchSize=10)
    found = lane.pipes.describe_pipe(Name=lane.name)
    assert {name: found[name] for name in lane.settings} == lane.settings
    assert (found["CurrentState"], found["DesiredState"]) == ("RUNNING", "RUNNING")
    with pytest.raises(ClientError, match="ConflictException"):
        lane.create_pipe()
    lane.pipes.delete_pipe(Name=lane.name)
    with pytest.raises(ClientError, match="NotFoundException"):
        lane.pipes.describe_pipe(Name=lane.name)


def test_after_a_kill_every_change_is_on_the_bus_and_what_was_told_is_not_told_again(
    run_endpoint, use_endpoint, tmp_path, create_function, wait_for
):
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        use_endpoint(url)
        lane = Lane(create_function, wait_for)
        lane.create_pipe()
        lane.put("early")
        assert lane.words(1) == ["early"]
        # Once the event is there, its position is written within a moment.
        positions = tmp_path / "services" / "event-sources"
        wait_for(lambda: any(path.read_text() for path in positions.glob("*.position")))
        functions = boto3.client("lambda")
        functions.put_function_concurrency(FunctionName=lane.function, ReservedConcurrentExecutions=0)
        lane.put("late", "later")
        process.kill()
        process.wait()
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        use_endpoint(url)
        lane.connect()
        lane.queue = lane.sqs.get_queue_url(QueueName=lane.name)["QueueUrl"]
        boto3.client("lambda").delete_function_concurrency(FunctionName=lane.function)
        lane.put("last")
        assert lane.words(3) == ["late", "later", "last"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<$.detail>", '{"a": "x \\"y\\"", "n": [1, 2]}'),
        ('{"a": <$.detail.a>, "n": <$.detail.n[1]>}', '{"a": "x \\"y\\"", "n": 2}'),
        ('{"text": "a is <$.detail.a>", "n": "<$.detail.n>"}', '{"text": "a is x \\"y\\"", "n": "[1, 2]"}'),
        ('{"text": "<$.missing>"}', '{"text": ""}'),
    ],
)
def test_a_template_is_filled_with_json_or_with_text_within_quotes(template, expected):
    assert pipe_runs.filled(template, {"detail": {"a": 'x "y"', "n": [1, 2]}}) == expected


def test_a_path_that_leads_nowhere_is_refused_where_a_value_is_needed():
    pipe = {"Name": "p", "Target": "bus"}
    parameters = {"EventBridgeEventBusParameters": {"Source": "s", "DetailType": "$.kind"}}
    (entry,) = pipe_runs.entries(pipe | {"TargetParameters": parameters}, [{"kind": "K"}])
    assert (entry["Source"], entry["DetailType"], json.loads(entry["Detail"])) == ("s", "K", {"kind": "K"})
    with pytest.raises(RefusedError, match="leads nowhere"):
        pipe_runs.entries(pipe | {"TargetParameters": parameters}, [{}])
