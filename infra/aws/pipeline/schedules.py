"""When what runs: the state machine every hour, each of the daily jobs once a day."""

import json
from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.aws.names import cdk_names
from infra.aws.pipeline.machine import HourlyMachine
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from infra.aws.stages import Stage
from infra.pipeline import DAILY, parameters

# A start that fails is tried again so often, and not after the next one is due.
RETRIES, MAX_AGE_S = 5, 3000
# Jobs of a day begin in between the runs of two hours, one after the other.
DAILY_FIRST_MINUTES, DAILY_APART_MINUTES = 30, 15
SERVICE = "scheduler.amazonaws.com"


class Schedules(Construct):
    """The schedules, with a role for each kind that may start just that."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, machine: HourlyMachine, unstarted: sqs.IQueue
    ) -> None:
        """Make all schedules; what could not be started goes to the queue `unstarted`."""
        super().__init__(scope, construct_id)
        self._unstarted = unstarted
        city = stage.city
        hourly = self._role("HourlyRole")
        hourly.allow(["states:StartExecution"], machine.arn)
        self._schedule("Hourly", city.state_machine, f"cron({stage.run_minute} * * * ? *)", hourly, machine.arn, {})
        daily = self._role("DailyRole")
        for number, step in enumerate(DAILY):
            job = city.glue_job(step.target)
            daily.allow(["glue:StartJobRun"], f"arn:aws:glue:{city.region}:{Aws.ACCOUNT_ID}:job/{job}")
            minutes = stage.run_minute + DAILY_FIRST_MINUTES + number * DAILY_APART_MINUTES
            hour = (stage.daily_hour + minutes // 60) % 24
            arguments = {f"--{name}": text.format(**parameters(city)) for name, text in step.arguments.items()}
            self._schedule(
                step.target,
                job,
                f"cron({minutes % 60} {hour} * * ? *)",
                daily,
                "arn:aws:scheduler:::aws-sdk:glue:startJobRun",
                {"JobName": job, "Arguments": arguments},
            )

    def _role(self, construct_id: str) -> ServiceRole:
        role = ServiceRole(self, construct_id, service=SERVICE, conditions=OF_THIS_ACCOUNT)
        role.allow(["sqs:SendMessage"], self._unstarted.queue_arn)
        return role

    def _schedule(  # noqa: PLR0917 — what a schedule is made of
        self, construct_id: str, name: str, when: str, role: ServiceRole, target: str, given: dict[str, Any]
    ) -> None:
        made = scheduler.CfnSchedule(
            self,
            construct_id,
            name=name,
            schedule_expression=when,
            schedule_expression_timezone="UTC",
            flexible_time_window=cdk_names({"Mode": "OFF"}),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=target,
                role_arn=role.role_arn,
                input=json.dumps(given),
                dead_letter_config=cdk_names({"Arn": self._unstarted.queue_arn}),
                retry_policy=cdk_names({"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": MAX_AGE_S}),
            ),
        )
        # Scheduler looks at once whether it may take on the role.
        made.node.add_dependency(role)
