"""The hourly run as a state machine: `infra.pipeline` in the Amazon States Language.

Pure: the CDK app deploys what `definition` returns, and the local home runs it in an interpreter.

- One run at a time: the oldest running execution goes on, the others wait and look again. There is no lock item,
  because an execution that is redriven starts at the step that failed and would not take it again; in the list of
  running executions it is, and as the oldest, so that those which come later wait for it. Only a run that is
  under way when an older one is redriven is not held back: each works on hours under a tag of its own, so that neither
  takes any from the other, and the jobs' own limit of one run at a time, which is why being refused by it is tried
  again, keeps a step from running beside itself.
- A step that failed is not caught: what is redriven is the step which failed, and of a caught error that would be the
  state which told of it ("Restarting state machine executions with redrive"). A rule on the execution's status tells
  the operators.
- The refresh of a data set comes after everything is published, so its failure is caught and told, and the run
  succeeds. It is only started here: what goes wrong while QuickSight imports, QuickSight tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.pipeline import PLAN, PLAN_KEY, STEPS, Step, parameters
from infra.settings import CitySettings

State = dict[str, Any]

# ListExecutions is eventually consistent: two that start at the same moment must see each other.
SETTLE_S = 15
LOOK_AGAIN_S = 60
TIMEOUT_S = 12 * 3600
# How often, and how far apart, a step is tried again while another run of its job or project is under way.
BUSY = {"IntervalSeconds": 60, "BackoffRate": 1.5, "MaxDelaySeconds": 300, "MaxAttempts": 20}
GLUE_BUSY, BUILD_BUSY = "Glue.ConcurrentRunsExceededException", "CodeBuild.AccountLimitExceededException"
RETRY_S = 60
_RUN = "$$.Execution.Name"


def definition(
    city: CitySettings, *, account: str, topic_arn: str, datasets: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the state machine's definition.

    Its input `{"from_hour": "2026-03-02T07:00Z", "to_hour": …}`, both optional, asks for the arrival hours to curate.
    `datasets` are the QuickSight data sets of `account` to refresh, the type of ingestion by id; `topic_arn` is told
    where one is not.
    """
    curate, *downstream = STEPS
    states = _bounds("wait for others to show") | _gate(PLAN.name)
    states[PLAN.name] = _build(city, PLAN, "read the plan", FROM_HOUR="$.bounds.from_hour", TO_HOUR="$.bounds.to_hour")
    states |= _read_plan(city, curate.name)
    states[curate.name] = _per_range(city, curate, downstream[0].name)
    for step, following in zip(downstream, [*(each.name for each in downstream[1:]), "data sets"], strict=True):
        states[step.name] = (_job if step.kind == "glue_job" else _build)(city, step, following)
    states |= _refresh(account, topic_arn, datasets or {})
    return {
        "Comment": f"The hourly run of {city.prefix}, made from infra/pipeline.py",
        "StartAt": "defaults",
        "TimeoutSeconds": TIMEOUT_S,
        "States": states,
    }


def _bounds(following: str) -> dict[str, State]:
    """Return the states that fill in what the input leaves open."""
    return {
        "defaults": {
            "Type": "Pass",
            "Comment": "Without hours in the input, the plan takes those that are new",
            "Result": {"from_hour": "", "to_hour": ""},
            "ResultPath": "$.defaults",
            "Next": "bounds",
        },
        "bounds": {
            "Type": "Pass",
            "Parameters": {"bounds.$": "States.JsonMerge($.defaults, $$.Execution.Input, false)"},
            "Next": following,
        },
    }


def _gate(following: str) -> dict[str, State]:
    """Return the states that let the oldest running execution pass and keep the others waiting."""
    return {
        "wait for others to show": {"Type": "Wait", "Seconds": SETTLE_S, "Next": "list running executions"},
        "list running executions": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:listExecutions",
            "Parameters": {"StateMachineArn.$": "$$.StateMachine.Id", "StatusFilter": "RUNNING"},
            "ResultSelector": {
                "arns.$": "$.Executions[*].ExecutionArn",
                "count.$": "States.ArrayLength($.Executions)",
            },
            "ResultPath": "$.running",
            "TimeoutSeconds": 60,
            "Retry": [_retrier(5)],
            "Next": "is any listed",
        },
        "is any listed": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.running.count", "NumericGreaterThan": 0, "Next": "find the oldest"}],
            "Default": "wait for its turn",
        },
        "find the oldest": {
            "Type": "Pass",
            "Comment": "The list begins with the latest",
            "Parameters": {"arn.$": "States.ArrayGetItem($.running.arns, States.MathAdd($.running.count, -1))"},
            "ResultPath": "$.oldest",
            "Next": "is it this one",
        },
        "is it this one": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.oldest.arn", "StringEqualsPath": "$$.Execution.Id", "Next": following}],
            "Default": "wait for its turn",
        },
        "wait for its turn": {"Type": "Wait", "Seconds": LOOK_AGAIN_S, "Next": "list running executions"},
    }


def _read_plan(city: CitySettings, following: str) -> dict[str, State]:
    return {
        "read the plan": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": {"Bucket": city.lake_bucket, "Key.$": f"States.Format('{PLAN_KEY}', {_RUN})"},
            "ResultSelector": {"plan.$": "States.StringToJson($.Body)"},
            "ResultPath": "$.read",
            "TimeoutSeconds": 60,
            "Retry": [_retrier(3)],
            "Next": "is anything to do",
        },
        "is anything to do": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.read.plan.ranges[0]", "IsPresent": True, "Next": following},
                {"Variable": "$.read.plan.pending", "BooleanEquals": True, "Next": following},
            ],
            "Default": "nothing to do",
        },
        "nothing to do": {"Type": "Succeed"},
    }


def _per_range(city: CitySettings, step: Step, following: str) -> State:
    """Return a state that runs a job for each range of the plan, one after the other."""
    job = _job(city, step, "") | {"End": True}
    del job["Next"]
    return {
        "Type": "Map",
        "Comment": step.description,
        "ItemsPath": "$.read.plan.ranges",
        "MaxConcurrency": 1,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": f"{step.name} range",
            "States": {f"{step.name} range": job},
        },
        "ResultPath": None,
        "Next": following,
    }


def _job(city: CitySettings, step: Step, following: str) -> State:
    """Return a state that runs a Glue job to its end; hours come from the state's input."""
    values = parameters(city)
    later = {"{from_hour}": "$.from_hour", "{to_hour}": "$.to_hour", "{run}": _RUN}
    arguments = {
        f"--{name}.$" if template in later else f"--{name}": later.get(template) or template.format(**values)
        for name, template in step.arguments.items()
    }
    return _task(
        step,
        "arn:aws:states:::glue:startJobRun.sync",
        {"JobName": city.glue_job(step.target), "Arguments": arguments},
        GLUE_BUSY,
        following,
    )


def _build(city: CitySettings, step: Step, following: str, **paths: str) -> State:
    """Return a state that runs a step in the CodeBuild project to its end; `paths` give further variables."""
    variables: list[Mapping[str, str]] = [{"Name": "STEP", "Value": step.name}, {"Name": "RUN", "Value.$": _RUN}]
    variables += [{"Name": name, "Value.$": path} for name, path in paths.items()]
    return _task(
        step,
        "arn:aws:states:::codebuild:startBuild.sync",
        {"ProjectName": city.steps_project, "EnvironmentVariablesOverride": variables},
        BUILD_BUSY,
        following,
    )


def _task(step: Step, resource: str, arguments: State, busy: str, following: str) -> State:
    retriers = [{"ErrorEquals": [busy]} | BUSY]
    if step.retries:
        retriers.append(_retrier(step.retries))
    return {
        "Type": "Task",
        "Comment": step.description,
        "Resource": resource,
        "Parameters": arguments,
        "ResultPath": None,
        "TimeoutSeconds": step.timeout_s,
        "Retry": retriers,
        "Next": following,
    }


def _retrier(attempts: int) -> State:
    # Of all errors but a time-out, which would only take as long once more.
    return {
        "ErrorEquals": ["States.TaskFailed"],
        "IntervalSeconds": RETRY_S,
        "BackoffRate": 2,
        "MaxAttempts": attempts,
        "JitterStrategy": "FULL",
    }


def _refresh(account: str, topic_arn: str, datasets: Mapping[str, str]) -> dict[str, State]:
    tell = (
        f"States.Format('The tables of run {{}} are published, but QuickSight did not start to refresh data set {{}}: "
        f"{{}}', {_RUN}, $.dataset, $.error.Cause)"
    )
    one = {
        "refresh": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:quicksight:createIngestion",
            "Parameters": {
                "AwsAccountId": account,
                "DataSetId.$": "$.dataset",
                "IngestionId.$": _RUN,
                "IngestionType.$": "$.type",
            },
            "ResultPath": None,
            "TimeoutSeconds": 60,
            "Retry": [_retrier(2)],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "tell of the failed refresh"}],
            "End": True,
        },
        "tell of the failed refresh": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {"TopicArn": topic_arn, "Subject": "Dashboards were not refreshed", "Message.$": tell},
            "ResultPath": None,
            "TimeoutSeconds": 60,
            "Retry": [_retrier(3)],
            "End": True,
        },
    }
    return {
        "data sets": {
            "Type": "Pass",
            "Result": [{"dataset": dataset, "type": kind} for dataset, kind in datasets.items()],
            "ResultPath": "$.datasets",
            "Next": "refresh data sets",
        },
        "refresh data sets": {
            "Type": "Map",
            "ItemsPath": "$.datasets",
            "ItemSelector": {"dataset.$": "$$.Map.Item.Value.dataset", "type.$": "$$.Map.Item.Value.type"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "refresh", "States": one},
            "ResultPath": None,
            "Next": "published",
        },
        "published": {"Type": "Succeed"},
    }
