"""Tasks of state machines that the base's interpreter lacks: above all Glue jobs and CodeBuild builds, to their end.

A job's script, from where the job says, or a build's commands run as a process of their own, on the packages of this
checkout, with the environment that AWS would give it, and calls the endpoint
with the name of its job or project as the access key, so that it can be told who made a call. Jobs and projects are
those of the endpoint's Glue and CodeBuild; one run of each at a time, as both are made with that limit. Otherwise than
on AWS, a process that takes longer than its task may is not ended, and only state machines can start one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from infra.local.base import TaskError

Parameters = Mapping[str, Any]

CHECKOUT = Path(__file__).resolve().parents[2]
PREFIX = "arn:aws:states:::"
# Glue says the end of what went wrong; a build's log is not part of its record.
_SAID_LINES = 30


def tasks() -> dict[str, Callable[[Parameters], Any]]:
    """Return the tasks by the resource that they are named by, without `.sync`."""
    running = Running()
    return {
        f"{PREFIX}glue:startJobRun": partial(run_job, running),
        f"{PREFIX}codebuild:startBuild": partial(run_build, running),
        f"{PREFIX}aws-sdk:s3:getObject": get_object,
        f"{PREFIX}aws-sdk:quicksight:createIngestion": refuse_ingestion,
    }


class Running:
    """The names of the jobs and projects of which a run is under way."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def only(self, name: str, error: str) -> Iterator[None]:
        """Hold a name; raises TaskError where it is held."""
        with self._lock:
            if name in self._names:
                raise TaskError(error, f"a run of {name} is under way, and only one is allowed at a time")
            self._names.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._names.discard(name)


def run_job(running: Running, given: Parameters) -> dict[str, Any]:
    """Run a Glue job's script with its arguments and return the record of the run; raises TaskError."""
    name = given["JobName"]
    try:
        job = boto3.client("glue").get_job(JobName=name)["Job"]
    except ClientError as error:
        raise _refused("Glue", error) from error
    bucket, key = job["Command"]["ScriptLocation"].removeprefix("s3://").split("/", 1)
    arguments = job.get("DefaultArguments", {}) | given.get("Arguments", {})
    record = {"JobName": name, "Arguments": arguments}
    with running.only(name, "Glue.ConcurrentRunsExceededException"), tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / Path(key).name
        script.write_text(get_object({"Bucket": bucket, "Key": key})["Body"])
        command = [sys.executable, str(script), *(part for pair in arguments.items() for part in pair)]
        code, said = _run(command, name, {"PYTHONPATH": str(CHECKOUT)})
    if code:
        failed = record | {"JobRunState": "FAILED", "ErrorMessage": said}
        raise TaskError("States.TaskFailed", json.dumps(failed))
    return record | {"JobRunState": "SUCCEEDED"}


def run_build(running: Running, given: Parameters) -> dict[str, Any]:
    """Run the build phase of a project's buildspec and return the record of the build; raises TaskError.

    Its install phase is for a machine that has nothing yet: at home the endpoint's own environment stands for it.
    """
    name = given["ProjectName"]
    found = boto3.client("codebuild").batch_get_projects(names=[name])["projects"]
    if not found:
        raise TaskError("CodeBuild.ResourceNotFoundException", f"Project cannot be found: {name}")
    (project,) = found
    variables = {each["name"]: each["value"] for each in project["environment"].get("environmentVariables", ())}
    variables |= {each["Name"]: each["Value"] for each in given.get("EnvironmentVariablesOverride", ())}
    commands = yaml.safe_load(project["source"]["buildspec"])["phases"]["build"]["commands"]
    with running.only(name, "CodeBuild.AccountLimitExceededException"):
        code, said = _run(["sh", "-e", "-c", "\n".join(commands)], name, variables)
    record = {"ProjectName": name, "BuildStatus": "FAILED" if code else "SUCCEEDED"}
    if code:
        raise TaskError("States.TaskFailed", json.dumps({"Build": record, "Log": said}))
    return {"Build": record}


def get_object(given: Parameters) -> dict[str, str]:
    """Return an object's content as text; raises TaskError."""
    try:
        content = boto3.client("s3").get_object(**given)["Body"].read()
    except ClientError as error:
        raise _refused("S3", error) from error
    return {"Body": content.decode()}


def refuse_ingestion(given: Parameters) -> None:
    """Answer as QuickSight does where there is no such data set, for there is none at home; raises TaskError."""
    shape = boto3.client("quicksight").meta.service_model.operation_model("CreateIngestion").input_shape
    problems = ParamValidator().validate(given, shape)
    if problems.has_errors():
        raise TaskError("States.Runtime", str(ParamValidationError(report=problems.generate_report())))
    raise TaskError("QuickSight.ResourceNotFoundException", f"data set {given['DataSetId']} does not exist")


def _run(command: list[str], name: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a process as a component to its end; return its exit code and the end of what it said."""
    as_component = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": name}
    # `python` of a buildspec is this environment's.
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=os.environ | path | variables | as_component,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, "\n".join(done.stdout.splitlines()[-_SAID_LINES:])


def _refused(service: str, error: ClientError) -> TaskError:
    return TaskError(f"{service}.{error.response['Error']['Code']}", error.response["Error"]["Message"])
