"""Which metrics the resources of a stage emit: an independent answer, by the CDK's own knowledge of AWS's metrics.

What the CDK has no method for is listed by hand, from the services' lists of metrics.
"""

from functools import cache

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as stepfunctions

from tests.infra.aws.templates import Resources, of_type

# A metric: namespace, name, dimensions.
Emitted = tuple[str, str, frozenset[tuple[str, str]]]
OF_THE_ACCOUNT: Emitted = ("AWS/DynamoDB", "UserErrors", frozenset())

# Type of a resource, the property that names it, the dimension that this is of its metrics.
_NAMES = {
    "AWS/Kinesis": ("AWS::Kinesis::Stream", "Name", "StreamName"),
    "AWS/Firehose": ("AWS::KinesisFirehose::DeliveryStream", "DeliveryStreamName", "DeliveryStreamName"),
    "AWS/Lambda": ("AWS::Lambda::Function", "FunctionName", "FunctionName"),
    "AWS/DynamoDB": ("AWS::DynamoDB::Table", "TableName", "TableName"),
    "AWS/SQS": ("AWS::SQS::Queue", "QueueName", "QueueName"),
    "AWS/IoT": ("AWS::IoT::TopicRule", "RuleName", "RuleName"),
}
# Amazon Data Firehose, "Monitor with CloudWatch metrics"; Lambda, "Types of metrics for functions"; DynamoDB, "Metrics
# and dimensions"; AWS IoT, "Rule metrics".
_BY_HAND = {
    "AWS/Firehose": {
        "DeliveryToS3.DataFreshness",
        "KinesisMillisBehindLatest",
        "SucceedConversion.Records",
        "FailedConversion.Records",
    },
    "AWS/Lambda": {"IteratorAge"},
    "AWS/DynamoDB": {"WriteThrottleEvents", "ReadThrottleEvents"},
    "AWS/IoT": {"TopicMatch"},
}


@cache
def metric_names() -> dict[str, set[str]]:
    """Return the names of metrics by namespace."""
    stack = Stack()
    function = lambda_.Function.from_function_name(stack, "Function", "f")
    table = dynamodb.Table.from_table_name(stack, "Table", "t")
    queue = sqs.Queue.from_queue_arn(stack, "Queue", "arn:aws:sqs:us-east-1:1:q")
    stream = kinesis.Stream(stack, "Stream")
    nothing = stepfunctions.DefinitionBody.from_chainable(stepfunctions.Pass(stack, "Pass"))
    machine = stepfunctions.StateMachine(stack, "Machine", definition_body=nothing)
    known = [
        *(stream.metric_incoming_records(), stream.metric_incoming_bytes()),
        *(stream.metric_get_records_iterator_age_milliseconds(),),
        *(stream.metric_write_provisioned_throughput_exceeded(), stream.metric_read_provisioned_throughput_exceeded()),
        *(function.metric_errors(), function.metric_throttles()),
        *(function.metric_duration(), function.metric_invocations()),
        table.metric_consumed_write_capacity_units(),
        queue.metric_approximate_number_of_messages_visible(),
        *(machine.metric_succeeded(), machine.metric_failed(), machine.metric_timed_out(), machine.metric_aborted()),
        machine.metric_time(),
    ]
    names = {namespace: set(by_hand) for namespace, by_hand in _BY_HAND.items()}
    for metric in known:
        names.setdefault(metric.namespace, set()).add(metric.metric_name)
    return names


def emitted(resources: Resources, account: str) -> set[Emitted]:
    """Return what the resources of a stage's templates emit."""
    names = metric_names()
    found = {OF_THE_ACCOUNT}
    for namespace, (kind, named_by, dimension) in _NAMES.items():
        for resource in of_type(resources, kind):
            name = resource["Properties"].get(named_by)
            found |= {(namespace, metric, frozenset({(dimension, name)})) for metric in names[namespace]}
    for table in of_type(resources, "AWS::DynamoDB::Table"):
        named = ("TableName", table["Properties"]["TableName"])
        for index in table["Properties"]["GlobalSecondaryIndexes"]:
            dimensions = frozenset({named, ("GlobalSecondaryIndexName", index["IndexName"])})
            found.add(("AWS/DynamoDB", "ConsumedWriteCapacityUnits", dimensions))
    # Amazon S3, "Metrics and dimensions": request metrics are those of a filter of the bucket.
    for bucket in of_type(resources, "AWS::S3::Bucket"):
        for measured in bucket["Properties"].get("MetricsConfigurations", ()):
            dimensions = frozenset({("BucketName", bucket["Properties"]["BucketName"]), ("FilterId", measured["Id"])})
            found.add(("AWS/S3", "PutRequests", dimensions))
    for machine in of_type(resources, "AWS::StepFunctions::StateMachine"):
        arn = f"arn:aws:states:us-east-1:{account}:stateMachine:{machine['Properties']['StateMachineName']}"
        found |= {("AWS/States", metric, frozenset({("StateMachineArn", arn)})) for metric in names["AWS/States"]}
    return found
