"""The state machine of the hourly run, and the role that it acts by."""

import json
from collections.abc import Iterable, Mapping

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.aws.defaults import log_group
from infra.aws.names import cdk_names
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole, acknowledge
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from infra.pipeline import PLAN_KEY, STEPS
from infra.state_machine import definition

# By this rule Step Functions learns of the end of a build ("IAM policies for calling AWS CodeBuild").
BUILD_RULE = "StepFunctionsGetEventForCodeBuildStartBuildRule"


class HourlyMachine(Construct):
    """The state machine, which may do what its states do."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        datasets: Mapping[str, str] | None = None,
    ) -> None:
        """Make the machine; it refreshes `datasets` of QuickSight at its end, whose type of ingestion is by id."""
        super().__init__(scope, construct_id)
        city = stage.city
        self._here = f"{city.region}:{Aws.ACCOUNT_ID}"
        self._stage = stage
        topic = f"arn:aws:sns:{self._here}:{city.operators_topic}"
        self.arn = f"arn:aws:states:{self._here}:stateMachine:{city.state_machine}"
        # Logs that AWS delivers under this prefix need no entry of their own in the account's policy, which is limited.
        group = log_group(self, "Log", stage=stage, name=f"/aws/vendedlogs/states/{city.state_machine}")
        self.role = ServiceRole(self, "Role", service="states.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        self._allow_steps()
        self._allow_plan(buckets)
        self._allow_telling(topic)
        self._allow_refresh(datasets or {})
        self._allow_logs_and_traces()
        self.machine = stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=city.state_machine,
            state_machine_type="STANDARD",
            role_arn=self.role.role_arn,
            # Not by the CDK's own way to JSON, which leaves out what is null: that is how a state drops its result.
            definition_string=json.dumps(definition(city, account=Aws.ACCOUNT_ID, topic_arn=topic, datasets=datasets)),
            logging_configuration=cdk_names(
                {
                    "Level": "ALL",
                    "IncludeExecutionData": True,
                    "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": group.log_group_arn}}],
                }
            ),
            tracing_configuration=cdk_names({"Enabled": True}),
        )
        # Whether the role may deliver logs is looked at when the machine is made.
        self.machine.node.add_dependency(self.role)

    def _allow_steps(self) -> None:
        city = self._stage.city
        self.role.allow(["states:ListExecutions"], self.arn)
        jobs = [city.glue_job(step.target) for step in STEPS if step.kind == "glue_job"]
        self.role.allow(
            ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"],
            *(f"arn:aws:glue:{self._here}:job/{job}" for job in jobs),
        )
        self.role.allow(
            ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"],
            f"arn:aws:codebuild:{self._here}:project/{city.steps_project}",
        )
        self.role.allow(
            ["events:DescribeRule", "events:PutRule", "events:PutTargets"],
            f"arn:aws:events:{self._here}:rule/{BUILD_RULE}",
        )

    def _allow_plan(self, buckets: Buckets) -> None:
        plans = f"arn:aws:s3:::{self._stage.city.lake_bucket}/{PLAN_KEY.format('*')}"
        self.role.allow(["s3:GetObject"], plans, why_many="a plan has the name of its run")
        self.role.allow(["kms:Decrypt"], buckets.lake_key.key_arn)

    def _allow_telling(self, topic: str) -> None:
        """Allow to publish to the operators' topic, which is named: it belongs to the stack that watches this one."""
        self.role.allow(["sns:Publish"], topic)
        keys = f"arn:aws:kms:{self._here}:key/*"
        has_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{self._stage.city.operators_topic}"}}
        self.role.add_to_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[keys], conditions=has_alias)
        )
        acknowledge(
            self.role,
            f"IAM5[Resource::{keys.replace(Aws.ACCOUNT_ID, '<AWS::AccountId>')}]",
            "a condition leaves of all keys that of the operators' topic, which is known by its alias",
        )

    def _allow_refresh(self, datasets: Iterable[str]) -> None:
        for dataset in datasets:
            self.role.allow(
                ["quicksight:CreateIngestion"],
                f"arn:aws:quicksight:{self._here}:dataset/{dataset}/ingestion/*",
                why_many="an ingestion has the name of its run",
            )

    def _allow_logs_and_traces(self) -> None:
        self.role.allow(
            [
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            "*",
            why_many="deliveries of logs and traces have no resource that could be named",
        )
