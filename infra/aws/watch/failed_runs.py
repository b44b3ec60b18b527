"""What the operators read when an hourly run or a daily job fails: the event of AWS, as a sentence."""

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.aws.names import cdk_names
from infra.aws.stages import Stage
from infra.aws.watch.metrics import machine_arn
from infra.pipeline import DAILY
from infra.settings import CitySettings

FAILED_RUN = ("FAILED", "TIMED_OUT", "ABORTED")
FAILED_JOB = ("FAILED", "TIMEOUT", "STOPPED")


def run_pattern(city: CitySettings, account: str) -> dict[str, Any]:
    """Return the pattern of the events that tell of a failed run."""
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": list(FAILED_RUN), "stateMachineArn": [machine_arn(city, account)]},
    }


def job_pattern(city: CitySettings) -> dict[str, Any]:
    """Return the pattern of the events that tell of a failed daily job; those of a run's jobs are the run's."""
    return {
        "source": ["aws.glue"],
        "detail-type": ["Glue Job State Change"],
        "detail": {"state": list(FAILED_JOB), "jobName": [city.glue_job(step.target) for step in DAILY]},
    }


def run_target(city: CitySettings, topic_arn: str) -> dict[str, Any]:
    """Return the target that gets a failed run as text, without its cause: that is JSON, which the page shows."""
    page = f"https://{city.region}.console.aws.amazon.com/states/home?region={city.region}#/v2/executions/details"
    return _told(
        topic_arn,
        f"The hourly run <name> of {city.prefix} ended as <status> at <time>. No data is lost: what it did not finish "
        f"is done by the next run. Which step failed and why: {page}/<execution> . Mend the cause, then redrive it "
        "there.",
        {
            "name": "$.detail.name",
            "status": "$.detail.status",
            "execution": "$.detail.executionArn",
            "time": "$.time",
        },
    )


def job_target(city: CitySettings, topic_arn: str) -> dict[str, Any]:
    """Return the target that gets a failed daily job as text."""
    page = f"https://{city.region}.console.aws.amazon.com/gluestudio/home?region={city.region}#/job"
    return _told(
        topic_arn,
        f"The daily job <job> of {city.prefix} ended as <state> at <time>. Tables stay as they are. Why: "
        f"{page}/<job>/run/<run> . Mend the cause and start it again, or leave it to the next day.",
        {"job": "$.detail.jobName", "state": "$.detail.state", "run": "$.detail.jobRunId", "time": "$.time"},
    )


def tell_of_failures(scope: Construct, *, stage: Stage, topic: sns.ITopic) -> None:
    """Let EventBridge tell the operators of each run and daily job that fails, is stopped, or takes too long."""
    city = stage.city
    runs, jobs = run_target(city, topic.topic_arn), job_target(city, topic.topic_arn)
    for construct_id, what, pattern, target in (
        ("FailedRuns", "runs", run_pattern(city, Aws.ACCOUNT_ID), runs),
        ("FailedJobs", "jobs", job_pattern(city), jobs),
    ):
        events.CfnRule(
            scope,
            construct_id,
            name=f"{city.prefix}-failed-{what}",
            description=f"Failed {what} to the operators",
            event_pattern=pattern,
            targets=cdk_names([target]),
        )


def _told(topic_arn: str, text: str, paths: dict[str, str]) -> dict[str, Any]:
    # Text with variables in it is a JSON string ("Input transformation").
    transformer = {"InputPathsMap": paths, "InputTemplate": f'"{text}"'}
    return {"Id": "operators", "Arn": topic_arn, "InputTransformer": transformer}
