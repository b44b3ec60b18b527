"""What the alerts consist of, as plain values: the local home makes it by the API, the CDK app by template.

Structures are in the words of the API, which CloudFormation shares.
"""

import json
from dataclasses import asdict
from typing import Any

from infra.settings import AlertRoute, CitySettings
from ingestion.alerts.messages import SOURCE

RUNTIME = "python3.11"
# (seconds, MB): `track` may have to read fifteen minutes of its shard again, and 1,769 MB is what has a whole CPU; the
# others hold the snapshots of 50,000 sensors.
LIMITS = {"judge": (60, 512), "track": (300, 1769), "describe": (60, 512), "watch": (70, 512)}
# Seconds that a batch of the functions that read a stream may wait to grow.
WINDOWS_S = {"judge": 1, "track": 0}
RETRIES = 10
BATCH = 5000

# Names of attributes, all of them text: partition key and sort key.
TABLE_KEY = ("segment_id", "ts")
INDEXES = {
    # What a zone's segments were, by time.
    "zone_time": ("zone_id", "ts"),
    # Sparse: only segments in alert have the attribute.
    "in_alert": ("in_alert", "segment_id"),
}
# Not the state, which is most of an item.
INDEXED = ["kind", "level", "since_us", "mean_index", "worst_index", "vehicles", "readings", "last_arrived_us"]
TABLE_STREAM = "NEW_IMAGE"
EXPIRY = "expires_at"

QUEUE_DAYS = 14
ARCHIVE_DAYS = 90
WATCH_RATE = "rate(1 minute)"
WEBHOOK_HEADER = "x-api-key"
WEBHOOK_CALLS_PER_S = 10
WEBHOOK_KEY_DESCRIPTION = f"What webhooks of alerts get as {WEBHOOK_HEADER}"
ROUTE_DESCRIPTION = "Alerts of a route to its topic and webhook"
WATCH_DESCRIPTION = "Ticks and silent feeds"


def function_name(city: CitySettings, function: str) -> str:
    """Return the name on AWS of a function such as `judge`."""
    return f"{city.prefix}-{function}"


def metrics_service(city: CitySettings) -> str:
    """Return the dimension `service` of the functions' metrics: the functions of two stages are told apart by it."""
    return city.alert_bus


def route_name(city: CitySettings, route: AlertRoute) -> str:
    """Return the name of a route's rule, topic and webhook."""
    return f"{city.alert_bus}-{route.name}"


def handler(function: str) -> str:
    """Return the entry of a function such as `judge`."""
    return f"ingestion.alerts.{function}_function.handler"


def function_variables(city: CitySettings) -> dict[str, str]:
    """Return what `ingestion.alerts.function_settings` reads."""
    return {
        "LAKE_BUCKET": city.lake_bucket,
        "SEGMENT_STREAM": city.segment_stream,
        "STATE_TABLE": city.state_table,
        "THRESHOLDS": json.dumps(asdict(city.alert_thresholds)),
        "SILENCE_AFTER_S": str(city.alert_silence_s),
        "CITY_TIME_ZONE": city.city_time_zone,
        "DASHBOARD_URL": city.dashboard_url,
        # Powertools reads it.
        "POWERTOOLS_SERVICE_NAME": metrics_service(city),
    }


def mapping(function: str, failed: str) -> dict[str, Any]:
    """Return how a function reads its stream, from now on; `failed` is the queue of batches that it cannot take."""
    return {
        "StartingPosition": "LATEST",
        "BatchSize": BATCH,
        "MaximumBatchingWindowInSeconds": WINDOWS_S[function],
        # One process reads a shard, which `sizing` sees to that it can: `track` needs the order.
        "ParallelizationFactor": 1,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": RETRIES,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": failed}},
    }


def pipe(undelivered: str) -> dict[str, Any]:
    """Return how changes go from the table's stream to the bus; `undelivered` is the queue of those that cannot."""
    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": [{"exists": True}]}}}}
    return {
        "SourceParameters": {
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)}]},
            "DynamoDBStreamParameters": {
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "MaximumRetryAttempts": RETRIES,
                "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                "DeadLetterConfig": {"Arn": undelivered},
            },
        },
        "TargetParameters": {
            "EventBridgeEventBusParameters": {"Source": SOURCE, "DetailType": "$.detail_type"},
            "InputTemplate": "<$.detail>",
        },
    }


def route_pattern(route: AlertRoute) -> dict[str, Any]:
    """Return the event pattern of a route."""
    detail = {"zone_id": list(route.zones), "level": list(route.levels)}
    wanted = {field: values for field, values in detail.items() if values}
    return {"source": [SOURCE]} | ({"detail": wanted} if wanted else {})


def topic_target(topic: str, undelivered: str) -> dict[str, Any]:
    """Return the target that gets an event as text that people read."""
    text = {"InputPathsMap": {"message": "$.detail.message"}, "InputTemplate": "<message>"}
    return {"Id": "topic", "Arn": topic, "InputTransformer": text} | _delivery(undelivered)


def webhook_target(destination: str, role: str, undelivered: str) -> dict[str, Any]:
    """Return the target that gets an event as it is on the bus."""
    return {"Id": "webhook", "Arn": destination, "RoleArn": role, "InputPath": "$.detail"} | _delivery(undelivered)


def _delivery(undelivered: str) -> dict[str, Any]:
    return {
        "DeadLetterConfig": {"Arn": undelivered},
        "RetryPolicy": {"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": 3600},
    }
