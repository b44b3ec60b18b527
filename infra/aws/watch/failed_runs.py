"""What the operators read when an hourly run fails: the event of Step Functions, as a sentence."""

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.aws.names import cdk_names
from infra.aws.stages import Stage
from infra.aws.watch.metrics import machine_arn
from infra.settings import CitySettings

FAILED = ("FAILED", "TIMED_OUT", "ABORTED")


def pattern(city: CitySettings, account: str) -> dict[str, Any]:
    """Return the pattern of the events that tell of a failed run."""
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": list(FAILED), "stateMachineArn": [machine_arn(city, account)]},
    }


def target(city: CitySettings, topic_arn: str) -> dict[str, Any]:
    """Return the target that gets such an event as text, without its cause: that is JSON, which the page shows."""
    page = f"https://{city.region}.console.aws.amazon.com/states/home?region={city.region}#/v2/executions/details"
    text = (
        f"The hourly run <name> of {city.prefix} ended as <status> at <time>. No data is lost: what it did not finish "
        f"is done by the next run. Which step failed and why: {page}/<execution> . Mend the cause, then redrive it "
        "there."
    )
    paths = {
        "name": "$.detail.name",
        "status": "$.detail.status",
        "execution": "$.detail.executionArn",
        "time": "$.time",
    }
    # Text with variables in it is a JSON string ("Input transformation").
    return {
        "Id": "operators",
        "Arn": topic_arn,
        "InputTransformer": {"InputPathsMap": paths, "InputTemplate": f'"{text}"'},
    }


def tell_of_failed_runs(scope: Construct, construct_id: str, *, stage: Stage, topic: sns.ITopic) -> None:
    """Let EventBridge tell the operators of each run that fails, is stopped, or takes too long."""
    city = stage.city
    events.CfnRule(
        scope,
        construct_id,
        name=f"{city.state_machine}-failed",
        description="Failed hourly runs to the operators",
        event_pattern=pattern(city, Aws.ACCOUNT_ID),
        targets=cdk_names([target(city, topic.topic_arn)]),
    )
