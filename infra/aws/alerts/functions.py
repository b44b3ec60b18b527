"""The functions of the alerts, each with a role for exactly the calls that it makes."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import alert_definitions as definitions
from infra.aws.defaults import log_group
from infra.aws.ingest.streams import Streams
from infra.aws.names import cdk_arguments
from infra.aws.roles import ServiceRole, acknowledge
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from ingestion.alerts.reference import KEY, USUAL_KEY


class AlertFunction(lambda_.Function):
    """One of the functions. Its role may write its log, and what is allowed afterwards."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, name: str, code: lambda_.Code) -> None:
        """Make the function with the limits and variables that it has at home."""
        city = stage.city
        function = definitions.function_name(city, name)
        group = f"/aws/lambda/{function}"
        self.allowed = ServiceRole(scope, f"{construct_id}Role", service="lambda.amazonaws.com")
        self.allowed.allow(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:{city.region}:{Aws.ACCOUNT_ID}:log-group:{group}:*",
            why_many="Lambda names the streams of the function's log",
        )
        timeout_s, memory_mb = definitions.LIMITS[name]
        super().__init__(
            scope,
            construct_id,
            function_name=function,
            runtime=lambda_.Runtime(definitions.RUNTIME, lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.X86_64,
            handler=definitions.handler(name),
            code=code,
            timeout=Duration.seconds(timeout_s),
            memory_size=memory_mb,
            environment=definitions.function_variables(city),
            role=self.allowed,
            log_group=log_group(scope, f"{construct_id}Log", stage=stage, name=group),
        )
        acknowledge(self, "L1", "it runs on the Python that the local home, the tests and the Glue jobs run on")

    def reads_stream(self, stream: kinesis.IStream, failed: sqs.IQueue, name: str) -> None:
        """Let the function be called with the records of a stream."""
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            function_name=self.function_name,
            event_source_arn=stream.stream_arn,
            **cdk_arguments(definitions.mapping(name, failed.queue_arn)),
        )
        # Lambda looks at once whether the role may read the stream.
        mapping.node.add_dependency(self.allowed)


class AlertFunctions(Construct):
    """All functions, wired to what they read and write."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        code: lambda_.Code,
        streams: Streams,
        table: dynamodb.ITable,
        buckets: Buckets,
        failed: sqs.IQueue,
    ) -> None:
        """Make the functions; batches that `judge` and `track` cannot take go to the queue `failed`."""
        super().__init__(scope, construct_id)
        self._lake, self._lake_key = stage.city.lake_bucket, buckets.lake_key
        made = {name: AlertFunction(self, name, stage=stage, name=name, code=code) for name in definitions.LIMITS}
        judge, track = made["judge"], made["track"]
        self.describe, self.watch = made["describe"], made["watch"]
        self._allow_judge(judge.allowed, streams, failed)
        self._allow_track(track.allowed, streams, table, failed)
        self._allow_objects(self.describe.allowed, KEY, USUAL_KEY)
        self._allow_watch(self.watch.allowed, streams, table)
        judge.reads_stream(streams.readings, failed, "judge")
        track.reads_stream(streams.segments, failed, "track")

    def _allow_judge(self, role: ServiceRole, streams: Streams, failed: sqs.IQueue) -> None:
        streams.allow_reading(role, streams.readings)
        streams.allow_writing(role, streams.segments, "kinesis:PutRecords")
        self._allow_objects(role, KEY)
        role.allow(["sqs:SendMessage"], failed.queue_arn)

    def _allow_track(self, role: ServiceRole, streams: Streams, table: dynamodb.ITable, failed: sqs.IQueue) -> None:
        # `replay` reads the stream by itself, with actions that the mapping needs as well.
        streams.allow_reading(role, streams.segments)
        role.allow(["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"], table.table_arn)
        self._allow_objects(role, KEY)
        role.allow(["sqs:SendMessage"], failed.queue_arn)

    def _allow_watch(self, role: ServiceRole, streams: Streams, table: dynamodb.ITable) -> None:
        role.allow(["kinesis:ListShards"], streams.segments.stream_arn)
        streams.allow_writing(role, streams.segments, "kinesis:PutRecords")
        role.allow(["dynamodb:Query"], f"{table.table_arn}/index/zone_time")
        role.allow(["dynamodb:Scan"], f"{table.table_arn}/index/in_alert")
        # A transaction is allowed by what is in it: TransactWriteItems has no action of its own.
        role.allow(["dynamodb:GetItem", "dynamodb:PutItem"], table.table_arn)
        self._allow_objects(role, KEY)

    def _allow_objects(self, role: ServiceRole, *keys: str) -> None:
        """Allow to read objects that the pipeline publishes.

        Only who may list the bucket is told of a missing object that it is missing ("GetObject"): before the first
        publication, that is what the functions must know.
        """
        bucket = f"arn:aws:s3:::{self._lake}"
        role.allow(["s3:GetObject"], *(f"{bucket}/{key}" for key in keys))
        role.allow(["s3:ListBucket"], bucket)
        role.allow(["kms:Decrypt"], self._lake_key.key_arn)
