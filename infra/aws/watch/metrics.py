"""The metrics that alarms and dashboard look at, as plain values: namespace, name and dimensions as AWS has them.

Those of a service are emitted by a resource of the stage, whose name is a dimension; our own come from the alerts'
functions (`ingestion.alerts.metrics`) and from the hourly run (`infra.runners.metrics`).
"""

from dataclasses import dataclass

from infra.alert_definitions import function_name, metrics_service
from infra.aws.storage.buckets import REFUSED_FILTER
from infra.runners import metrics as run_metrics
from infra.settings import CitySettings
from ingestion.alerts import metrics as alert_metrics

PERIOD_S = 300


@dataclass(frozen=True)
class Metric:
    """A metric with the statistic of each period that is looked at, and what its values count, in words."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    unit: str
    period_s: int = PERIOD_S


def stream(name: str, metric: str, unit: str, statistic: str = "Sum") -> Metric:
    """Return a metric of a Kinesis stream."""
    return Metric("AWS/Kinesis", metric, (("StreamName", name),), statistic, unit)


def delivery(city: CitySettings, metric: str, unit: str, statistic: str = "Sum") -> Metric:
    """Return a metric of the delivery stream."""
    return Metric("AWS/Firehose", metric, (("DeliveryStreamName", city.delivery_stream),), statistic, unit)


def function(city: CitySettings, name: str, metric: str, unit: str, statistic: str = "Sum") -> Metric:
    """Return a metric of a function such as `judge`."""
    return Metric("AWS/Lambda", metric, (("FunctionName", function_name(city, name)),), statistic, unit)


def table(city: CitySettings, metric: str, unit: str) -> Metric:
    """Return a metric of the alerts' table, summed."""
    return Metric("AWS/DynamoDB", metric, (("TableName", city.state_table),), "Sum", unit)


def queue(name: str) -> Metric:
    """Return how many messages wait in an SQS queue."""
    return Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", name),), "Maximum", "messages")


def machine(arn: str, metric: str, unit: str, statistic: str = "Sum", period_s: int = 3600) -> Metric:
    """Return a metric of a state machine, by hour."""
    return Metric("AWS/States", metric, (("StateMachineArn", arn),), statistic, unit, period_s)


def topic_rule(name: str) -> Metric:
    """Return how many messages a topic rule matched."""
    return Metric("AWS/IoT", "TopicMatch", (("RuleName", name),), "Sum", "messages")


def refused_messages(city: CitySettings) -> Metric:
    """Return how many messages of devices the topic rules kept because they went nowhere: the puts under their prefix.

    The rules' own metrics name the type of an action by words that AWS documents nowhere.
    """
    dimensions = (("BucketName", city.raw_bucket), ("FilterId", REFUSED_FILTER))
    return Metric("AWS/S3", "PutRequests", dimensions, "Sum", "messages")


def alerts(city: CitySettings, metric: str, unit: str, statistic: str = "Sum") -> Metric:
    """Return a metric that the alerts' functions write."""
    dimensions = (("service", metrics_service(city)),)
    return Metric(alert_metrics.NAMESPACE, metric, dimensions, statistic, unit)


def run(city: CitySettings, metric: str, unit: str) -> Metric:
    """Return a metric that the hourly run publishes, once a run."""
    dimensions = ((run_metrics.DIMENSION, city.stage),)
    return Metric(run_metrics.NAMESPACE, metric, dimensions, "Maximum", unit, 3600)


def machine_arn(city: CitySettings, account: str) -> str:
    """Return the ARN of the state machine of the hourly run."""
    return f"arn:aws:states:{city.region}:{account}:stateMachine:{city.state_machine}"
