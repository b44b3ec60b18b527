"""What the hourly run needs of a home: its jobs, the project of its steps, the operators' topic and the state machine.

Made by the API as the CDK app makes it by template, from the same definitions. Safe to repeat. Nothing is scheduled at
home: `trafficlake run` runs the steps, or start the machine with any AWS tool.
"""

import json
from pathlib import Path

import boto3

import glue_jobs
from infra import executions, steps_project
from infra.home.existing import role_arn, unless_exists
from infra.pipeline import GLUE_JOBS, GLUE_VERSION, Step
from infra.settings import CitySettings
from infra.state_machine import definition

_JOBS = Path(glue_jobs.__file__).parent


def create_pipeline_resources(city: CitySettings) -> None:
    """Create what is missing, and bring project and state machine to their definitions."""
    services = ("states.amazonaws.com", "glue.amazonaws.com", "codebuild.amazonaws.com")
    role = role_arn(f"{city.prefix}-pipeline", *services)
    for step in GLUE_JOBS.values():
        _create_job(city, step, role)
    _create_project(city, role)
    topic = boto3.client("sns").create_topic(Name=city.operators_topic)["TopicArn"]
    account = boto3.client("sts").get_caller_identity()["Account"]
    _create_machine(city, json.dumps(definition(city, account=account, topic_arn=topic)), role)


def _create_job(city: CitySettings, step: Step, role: str) -> None:
    key = f"jobs/{step.target}.py"
    boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=key, Body=(_JOBS / f"{step.target}.py").read_bytes())
    unless_exists(
        boto3.client("glue").create_job,
        Name=city.glue_job(step.target),
        Description=step.description,
        Role=role,
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{city.lake_bucket}/{key}"},
        GlueVersion=GLUE_VERSION,
        Timeout=step.timeout_s // 60,
    )


def _create_project(city: CitySettings, role: str) -> None:
    codebuild = boto3.client("codebuild")
    told = [{"name": name, "value": value} for name, value in steps_project.variables(city).items()]
    project = {
        "name": city.steps_project,
        "description": steps_project.DESCRIPTION,
        "source": {"type": "NO_SOURCE", "buildspec": json.dumps(steps_project.buildspec())},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "local",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": told,
        },
        "serviceRole": role,
        "timeoutInMinutes": steps_project.TIMEOUT_MIN,
    }
    if not unless_exists(codebuild.create_project, **project):
        codebuild.update_project(**project)


def _create_machine(city: CitySettings, text: str, role: str) -> None:
    machines = boto3.client("stepfunctions")
    if (arn := executions.machine_arn(city)) is None:
        machines.create_state_machine(name=city.state_machine, definition=text, roleArn=role)
    elif machines.describe_state_machine(stateMachineArn=arn)["definition"] != text:
        machines.update_state_machine(stateMachineArn=arn, definition=text)
