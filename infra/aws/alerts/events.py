"""The way of an alert from the table to people: pipe, bus, rules, topics and webhooks."""

from typing import Any

from aws_cdk import Duration, SecretValue
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import alert_definitions as definitions
from infra.aws.defaults import RotatedKey, removal
from infra.aws.names import cdk_arguments, cdk_names
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole, acknowledge
from infra.aws.stages import Stage
from infra.settings import AlertRoute

EVENTS = iam.ServicePrincipal("events.amazonaws.com")


class DeadLetters(sqs.Queue):
    """A queue of what could not be delivered, kept for people to look at and send again."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str) -> None:
        """Make the queue."""
        super().__init__(
            scope,
            construct_id,
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(definitions.QUEUE_DAYS),
        )
        acknowledge(self, "SQS3", "it is itself where undelivered messages end")


class AlertBus(events.EventBus):
    """The bus of alerts, which keeps its events for replay."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        """Make bus and archive."""
        name = stage.city.alert_bus
        super().__init__(scope, construct_id, event_bus_name=name)
        events.CfnArchive(
            self,
            "Archive",
            archive_name=name,
            source_arn=self.event_bus_arn,
            retention_days=definitions.ARCHIVE_DAYS,
        )


class ChangePipe(Construct):
    """The pipe from the table's stream of changes, described by a function, to the bus."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        table: dynamodb.ITable,
        describe: lambda_.IFunction,
        bus: events.IEventBus,
        undelivered: sqs.IQueue,
    ) -> None:
        """Make the pipe and its role."""
        super().__init__(scope, construct_id)
        role = ServiceRole(self, "Role", service="pipes.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        role.allow(
            [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ],
            table.table_stream_arn,
        )
        role.allow(["lambda:InvokeFunction"], describe.function_arn)
        role.allow(["events:PutEvents"], bus.event_bus_arn)
        role.allow(["sqs:SendMessage"], undelivered.queue_arn)
        made = pipes.CfnPipe(
            self,
            "Pipe",
            name=stage.city.alert_pipe,
            role_arn=role.role_arn,
            source=table.table_stream_arn,
            enrichment=describe.function_arn,
            target=bus.event_bus_arn,
            **cdk_arguments(definitions.pipe(undelivered.queue_arn)),
        )
        # A pipe looks at once whether its role may read the source.
        made.node.add_dependency(role)


class Routes(Construct):
    """Who gets which alerts: a rule and a topic for each route, and a webhook where it names one."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, bus: events.IEventBus, undelivered: sqs.Queue
    ) -> None:
        """Make all routes of the stage."""
        super().__init__(scope, construct_id)
        self.topics: dict[str, sns.Topic] = {}
        self._stage, self._bus, self._undelivered = stage, bus, undelivered
        city = stage.city
        self._key = RotatedKey(self, "Key", stage=stage, purpose="alerts")
        # AWS's own key does not let EventBridge publish to a topic.
        publish = iam.PolicyStatement(
            principals=[EVENTS], actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"]
        )
        self._key.add_to_resource_policy(publish)
        self._webhooks: tuple[ServiceRole, SecretValue] | None = None
        if any(route.webhook_url for route in city.alert_routes):
            self._webhooks = self._prepare_webhooks()
        for route in city.alert_routes:
            self._route(route)

    def _prepare_webhooks(self) -> tuple[ServiceRole, SecretValue]:
        """Return the role that calls webhooks, and the key that they get, which only the account knows."""
        secret = secretsmanager.Secret(
            self,
            "WebhookKey",
            secret_name=self._stage.city.webhook_secret,
            description=definitions.WEBHOOK_KEY_DESCRIPTION,
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=40, exclude_punctuation=True),
            removal_policy=removal(self._stage),
        )
        acknowledge(secret, "SMG4", "whoever receives the webhook must learn of a new key: it is changed by hand")
        role = ServiceRole(self, "WebhookRole", service="events.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        return role, secret.secret_value

    def _route(self, route: AlertRoute) -> None:
        name = definitions.route_name(self._stage.city, route)
        topic = sns.Topic(self, f"{route.name}Topic", topic_name=name, master_key=self._key, enforce_ssl=True)
        self.topics[route.name] = topic
        topic.add_to_resource_policy(
            iam.PolicyStatement(principals=[EVENTS], actions=["sns:Publish"], resources=[topic.topic_arn])
        )
        for address in route.emails:
            topic.add_subscription(subscriptions.EmailSubscription(address))
        undelivered = self._undelivered.queue_arn
        rule_targets = [definitions.topic_target(topic.topic_arn, undelivered)]
        if route.webhook_url and self._webhooks:
            rule_targets.append(self._webhook(route, name, route.webhook_url, *self._webhooks))
        rule = events.CfnRule(
            self,
            f"{route.name}Rule",
            name=name,
            event_bus_name=self._bus.event_bus_name,
            event_pattern=definitions.route_pattern(route),
            description=definitions.ROUTE_DESCRIPTION,
            targets=cdk_names(rule_targets),
        )
        self._undelivered.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[EVENTS],
                actions=["sqs:SendMessage"],
                resources=[undelivered],
                conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
            )
        )

    def _webhook(self, route: AlertRoute, name: str, url: str, role: ServiceRole, key: SecretValue) -> dict[str, Any]:
        authorization = events.Authorization.api_key(definitions.WEBHOOK_HEADER, key)
        connection = events.Connection(
            self, f"{route.name}Connection", connection_name=name, authorization=authorization
        )
        destination = events.ApiDestination(
            self,
            f"{route.name}Destination",
            api_destination_name=name,
            connection=connection,
            endpoint=url,
            http_method=events.HttpMethod.POST,
            rate_limit_per_second=definitions.WEBHOOK_CALLS_PER_S,
        )
        role.allow(["events:InvokeApiDestination"], destination.api_destination_arn)
        return definitions.webhook_target(destination.api_destination_arn, role.role_arn, self._undelivered.queue_arn)


def watch_every_minute(scope: Construct, construct_id: str, *, stage: Stage, watch: lambda_.IFunction) -> None:
    """Let the watch run once a minute."""
    events.Rule(
        scope,
        construct_id,
        rule_name=definitions.function_name(stage.city, "watch"),
        description=definitions.WATCH_DESCRIPTION,
        schedule=events.Schedule.expression(definitions.WATCH_RATE),
        targets=[targets.LambdaFunction(watch)],
    )
