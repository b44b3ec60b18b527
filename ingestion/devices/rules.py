"""The topic rules: how a device's message becomes a record of the stream, and what becomes of one that cannot.

Every message on a topic of readings meets exactly one of two conditions, so that none is dropped in silence: it is an
object with a name of the contract in it, or it is kept as it was sent. A condition is the only safe way to tell them
apart: on a payload that is no JSON, `SELECT *` passes the bytes on ("Working with binary payloads"), and SQL that fails
does not start the error action ("Error handling (error action)").
"""

from typing import Any

from ingestion.contract.model import load
from ingestion.devices.access import OLDER_TOPIC, SENSORS_TOPIC, TELEMETRY_TOPIC

SQL_VERSION = "2016-03-23"
# Columns of which a message must name one to be a reading; without a measurement it is rejected later, with a reason.
_TELLING = ("sensor_id", "vehicle_count", "speed_kmh", "occupancy_pct")
REFUSED_PREFIX = "device-errors/"


def topic_rules(prefix: str, stream: str, bucket: str, role_arn: str) -> dict[str, dict[str, Any]]:
    """Return the payloads of CreateTopicRule by rule name; `prefix` begins every name, such as trafficlake-local.

    The topic decides who sent a reading, whatever its payload says. On the older topic only the payload does.

    Which of two equal names wins, that of the payload or that of the rule, is not documented ("SELECT clause"). So a
    message that brings the rule's own `topic_sensor_id` is kept and goes no further, and the contract refuses a reading
    whose sensor_id is another than that: should the payload's win, nobody can speak for another device either.
    """
    kept = {"s3": {"roleArn": role_arn, "bucketName": bucket, "key": REFUSED_PREFIX + "${timestamp()}-${newuuid()}"}}
    unknown = f"({' AND '.join(f'isUndefined({name})' for name in _landing_names())})"
    as_sent = "encode(*, 'base64') AS base64OriginalPayload, topic() AS topic, clientid() AS clientId"

    def to_stream(partition_key: str) -> dict[str, Any]:
        return {"kinesis": {"roleArn": role_arn, "streamName": stream, "partitionKey": partition_key}}

    def select(what: str, topic_filter: str, where: str) -> str:
        # Only names of the contract and topics of ours are put in.
        return f"SELECT {what}, timestamp() AS received_at FROM '{topic_filter}' WHERE {where}"  # noqa: S608

    def rule(description: str, sql: str, action: dict[str, Any]) -> dict[str, Any]:
        return {
            "description": description,
            "sql": sql,
            "awsIotSqlVersion": SQL_VERSION,
            "ruleDisabled": False,
            "actions": [action],
            "errorAction": kept,
        }

    def readings(topic_filter: str, device: str) -> dict[str, Any]:
        own = f"*, {device} AS sensor_id, {device} AS topic_sensor_id"
        sql = select(own, topic_filter, f"NOT {unknown} AND isUndefined(topic_sensor_id)")
        what = "A device's reading on its own topic, to the stream of all readings"
        return rule(what, sql, to_stream(f"${{{device}}}"))

    def unreadable(topic_filter: str, where: str) -> dict[str, Any]:
        return rule("What is no reading, kept as it was sent", select(as_sent, topic_filter, where), kept)

    own_unreadable = f"{unknown} OR NOT isUndefined(topic_sensor_id)"
    rules = {
        "readings": readings(f"{SENSORS_TOPIC}/+", "topic(3)"),
        "unreadable": unreadable(f"{SENSORS_TOPIC}/+", own_unreadable),
        "telemetry": readings(TELEMETRY_TOPIC, "topic(2)"),
        "telemetry_unreadable": unreadable(TELEMETRY_TOPIC, own_unreadable),
        "older_readings": rule(
            "A reading on the older topic, to the stream of all readings",
            select("*", OLDER_TOPIC, f"NOT {unknown}"),
            to_stream("${sensor_id}"),
        ),
        "older_unreadable": unreadable(OLDER_TOPIC, unknown),
        "presence": rule(
            "When a device was last seen, into its shadow: one write per connection, none per reading",
            "SELECT {'reported': {'connection': eventType, 'last_seen_ms': timestamp}} AS state "
            "FROM '$aws/events/presence/#' WHERE NOT isUndefined(thingName)",
            {"republish": {"roleArn": role_arn, "topic": "$$aws/things/${thingName}/shadow/update", "qos": 1}},
        ),
    }
    return {f"{prefix}_{name}".replace("-", "_"): payload for name, payload in rules.items()}


def _landing_names() -> list[str]:
    contract = load("readings")
    return [name for column in _TELLING for name in contract.column(column).landing_names]
