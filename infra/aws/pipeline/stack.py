"""The stack of the hourly run and the daily jobs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.aws.alerts.events import DeadLetters
from infra.aws.pipeline.machine import HourlyMachine
from infra.aws.pipeline.project import StepsProject
from infra.aws.pipeline.schedules import Schedules
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets


class PipelineStack(Stack):
    """From landed readings to published marts."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        buckets: Buckets,
        files: Path,
        datasets: Mapping[str, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Make the project that works on `files`, the machine that refreshes `datasets`, and the schedules."""
        super().__init__(scope, construct_id, **kwargs)
        StepsProject(self, "Steps", stage=stage, buckets=buckets, files=files)
        machine = HourlyMachine(self, "Hourly", stage=stage, buckets=buckets, datasets=datasets)
        unstarted = DeadLetters(self, "Unstarted", name=stage.city.unstarted_queue)
        Schedules(self, "Schedules", stage=stage, machine=machine, unstarted=unstarted)
        CfnOutput(self, "StateMachine", value=machine.arn, description="the hourly run, to start or redrive by hand")
        CfnOutput(self, "UnstartedQueue", value=unstarted.queue_url, description="runs that could not be started")
