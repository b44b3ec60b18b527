"""Tables of the local endpoint: what alerts need of them, and what a kill leaves of them."""

import time

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import dynamodb

# Its waits add up to minutes, and `make test` has ten.
pytestmark = pytest.mark.slow


def create_table(name, **more):
    """Create a table with a key of two strings, an index by zone, and a sparse index of what has an `alert`."""
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("id", "at", "zone", "alert")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"by_{each}",
                "KeySchema": [{"AttributeName": each, "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for each in ("zone", "alert")
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        **more,
    )


def item(number, **more):
    return {"id": f"s{number}", "at": "now", "zone": f"z{number % 2}"} | more


def stream_records(name):
    streams = boto3.client("dynamodbstreams")
    (stream,) = streams.list_streams(TableName=name)["Streams"]
    (shard,) = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    return streams.get_records(ShardIterator=iterator)["Records"]


def fill(table, name):
    """Make changes of every kind; returns what the table then holds."""
    for number in range(4):
        table.put_item(Item=item(number))
    table.put_item(Item=item(1, alert="yes"))
    table.delete_item(Key={"id": "s2", "at": "now"})
    table.update_item(Key={"id": "s3", "at": "now"}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": 3})
    table.meta.client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": name, "Item": item(5)}},
            {"Delete": {"TableName": name, "Key": {"id": "s0", "at": "now"}}},
        ]
    )
    table.meta.client.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": item(6)}}]})
    return [item(1, alert="yes"), item(3, n=3), item(5), item(6)]


def contents(table):
    return sorted(table.scan()["Items"], key=lambda each: each["id"])


def test_items_indexes_settings_and_stream_records_survive_a_kill(run_endpoint, use_endpoint, tmp_path):
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        use_endpoint(url)
        create_table("state")
        client = boto3.client("dynamodb")
        client.update_time_to_live(
            TableName="state", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        client.update_continuous_backups(
            TableName="state", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        expected = fill(boto3.resource("dynamodb").Table("state"), "state")
        records = stream_records("state")
        assert [record["eventName"] for record in records] == [
            *["INSERT"] * 4,
            "MODIFY",
            "REMOVE",
            "MODIFY",
            "INSERT",
            "REMOVE",
            "INSERT",
        ]
        process.kill()
        process.wait()
    for _ in range(2):  # after a kill, and after an end in good order
        with run_endpoint(tmp_path, "--no-athena") as (url, _):
            use_endpoint(url)
            table = boto3.resource("dynamodb").Table("state")
            assert contents(table) == expected
            assert table.query(
                IndexName="by_alert",
                KeyConditionExpression="alert = :yes",
                ExpressionAttributeValues={":yes": "yes"},
            )["Items"] == [expected[0]]
            assert stream_records("state")[: len(records)] == records
            client = boto3.client("dynamodb")
            ttl = client.describe_time_to_live(TableName="state")["TimeToLiveDescription"]
            assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expires")
            backups = client.describe_continuous_backups(TableName="state")["ContinuousBackupsDescription"]
            assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
            # What comes after the restart is kept too.
            table.put_item(Item=item(7))
            expected = contents(table)
            records = stream_records("state")


@pytest.fixture
def table(endpoint):
    name = f"table-{time.time_ns()}"
    create_table(name)
    return boto3.resource("dynamodb").Table(name)


def test_a_put_whose_condition_does_not_hold_changes_nothing_and_has_no_stream_record(table):
    table.put_item(Item=item(1, n=2))
    newer = {"ConditionExpression": "attribute_not_exists(n) OR n < :n"}
    table.put_item(Item=item(1, n=3), ExpressionAttributeValues={":n": 3}, **newer)
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        table.put_item(Item=item(1, n=3), ExpressionAttributeValues={":n": 3}, **newer)
    assert contents(table) == [item(1, n=3)]
    images = [record["dynamodb"]["NewImage"]["n"] for record in stream_records(table.name)]
    assert images == [{"N": "2"}, {"N": "3"}]


def test_a_transaction_is_whole_or_not_at_all(table):
    table.put_item(Item=item(1))
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        table.meta.client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table.name, "Item": item(2)}},
                {"Put": {"TableName": table.name, "Item": item(1), "ConditionExpression": "attribute_not_exists(id)"}},
            ]
        )
    assert contents(table) == [item(1)]


def test_the_sparse_index_holds_what_has_its_key_and_lets_go_of_what_loses_it(table):
    ask = {"IndexName": "by_alert", "KeyConditionExpression": "alert = :a", "ExpressionAttributeValues": {":a": "yes"}}
    for number in range(5):
        table.put_item(Item=item(number, **({"alert": "yes"} if number == 3 else {})))
    assert table.query(**ask)["Items"] == [item(3, alert="yes")]
    table.put_item(Item=item(3))
    assert table.query(**ask)["Items"] == []


def test_batch_get_returns_what_there_is(table):
    for number in range(3):
        table.put_item(Item=item(number))
    keys = [{"id": f"s{number}", "at": "now"} for number in range(5)]
    found = table.meta.client.batch_get_item(RequestItems={table.name: {"Keys": keys, "ConsistentRead": True}})
    assert sorted(each["id"] for each in found["Responses"][table.name]) == ["s0", "s1", "s2"]


def test_a_line_cut_short_by_a_kill_is_left_out_and_what_was_whole_is_kept(tmp_path):
    path = tmp_path / "changes"
    told = []
    journal = dynamodb.Journal(path, told.append)
    journal.note(["put", "table", {"a": 1}])
    journal.write([["put", "table", {"a": 2}], ["stream", "table", {"b": 3}]])
    with path.open("ab") as out:
        out.write(b'[["put","table",{"a"')
    assert journal.changes() == [["put", "table", {"a": 1}], ["put", "table", {"a": 2}], ["stream", "table", {"b": 3}]]
    assert told == ["table"]
    journal.clear()
    assert journal.changes() == []
