"""The generated state machine runs, in an interpreter of the language, on small stand-ins for jobs and commands.

What the steps themselves do through it, `tests/system/test_state_machine.py` proves.
"""

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from infra.home.environment import local_environment
from infra.pipeline import DAILY, PLAN, PLAN_KEY, STEPS, parameters
from infra.settings import CitySettings
from infra.state_machine import BUILD_BUSY, GLUE_BUSY, definition

# Waits and back-offs take a hundredth of their time.
WAIT_SCALE = 0.01
END_S = 60
NUMBERS = itertools.count()
HOURS = [
    {"from_hour": "2026-03-02T07:00:00Z", "to_hour": "2026-03-02T09:00:00Z"},
    {"from_hour": "2026-03-02T11:00:00Z", "to_hour": "2026-03-02T12:00:00Z"},
]
# A job that notes what it was called with, goes on when nothing holds it, and fails as often as a file says.
JOB = """
import json, os, sys, time
from pathlib import Path
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = Path(given.pop("--folder"))
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps({"step": "NAME", "caller": os.environ["AWS_ACCESS_KEY_ID"], **given}) + "\\n")
while (folder / "held").exists():
    time.sleep(0.02)
failures = folder / "failures of NAME"
if failures.exists():
    left = int(failures.read_text())
    failures.write_text(str(left - 1))
    if left > 0:
        sys.exit("the job NAME is broken")
"""
BUILD = """
printf '{"step": "%s", "caller": "%s", "run": "%s", "from": "%s", "to": "%s"}\\n' \
  "$STEP" "$AWS_ACCESS_KEY_ID" "$RUN" "$FROM_HOUR" "$TO_HOUR" >> "$FOLDER/calls"
test ! -e "$FOLDER/failures of $STEP"
"""


@dataclass(frozen=True)
class Machine:
    """A state machine with jobs and a project of its own; they note what they are called with in a folder."""

    city: CitySettings
    arn: str
    folder: Path

    def start(self, name: str, ranges: list[dict[str, str]], *, pending: bool = False, **bounds: str) -> str:
        """Start a run with that plan and return its address."""
        plan = json.dumps({"ranges": ranges, "pending": pending})
        boto3.client("s3").put_object(Bucket=self.city.lake_bucket, Key=PLAN_KEY.format(name), Body=plan.encode())
        machines = boto3.client("stepfunctions")
        return machines.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(bounds))["executionArn"]

    def ended(self, execution: str) -> dict:
        """Wait for the end of a run and return its record."""
        machines, deadline = boto3.client("stepfunctions"), time.monotonic() + END_S
        while (found := machines.describe_execution(executionArn=execution))["status"] == "RUNNING":
            assert time.monotonic() < deadline, machines.get_execution_history(executionArn=execution)["events"][-3:]
            time.sleep(0.05)
        return found

    @property
    def calls(self) -> list[dict[str, str]]:
        """What was called so far, in order."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def steps(self) -> list[str]:
        """The steps that were called so far, in order."""
        return [call["step"] for call in self.calls]


@pytest.fixture(scope="module")
def hurried_endpoint(run_endpoint, tmp_path_factory):
    """An endpoint whose state machines wait for a hundredth of the time; not the session's, which has its own name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFN_WAIT_SCALE", str(WAIT_SCALE))
        with run_endpoint(tmp_path_factory.mktemp("machines"), "--no-athena") as (url, _):
            for name, value in local_environment(url).items():
                patch.setenv(name, value)
            patch.setattr(boto3, "DEFAULT_SESSION", None)
            yield url


@pytest.fixture
def new_machine(hurried_endpoint, tmp_path):
    """Make the machine of a city of this test's own."""
    city = CitySettings(stage=f"m{next(NUMBERS)}")

    def make(name: str = city.state_machine, datasets: dict[str, str] | None = None) -> Machine:
        topic = boto3.client("sns").create_topic(Name=city.operators_topic)["TopicArn"]
        text = json.dumps(definition(city, account="000000000000", topic_arn=topic, datasets=datasets))
        role = "arn:aws:iam::000000000000:role/machine"
        made = boto3.client("stepfunctions").create_state_machine(name=name, definition=text, roleArn=role)
        return Machine(city, made["stateMachineArn"], tmp_path)

    (tmp_path / "calls").touch()
    boto3.client("s3").create_bucket(Bucket=city.lake_bucket)
    for step in STEPS:
        if step.kind == "glue_job":
            key = f"{step.target}.py"
            body = JOB.replace("NAME", step.name).encode()
            boto3.client("s3").put_object(Bucket=city.lake_bucket, Key=key, Body=body)
            boto3.client("glue").create_job(
                Name=city.glue_job(step.target),
                Role="job",
                Command={"Name": "glueetl", "ScriptLocation": f"s3://{city.lake_bucket}/{key}"},
                DefaultArguments={"--folder": str(tmp_path)},
            )
    spec = {"version": 0.2, "phases": {"install": {"commands": ["exit 1"]}, "build": {"commands": [BUILD]}}}
    boto3.client("codebuild").create_project(
        name=city.steps_project,
        source={"type": "NO_SOURCE", "buildspec": json.dumps(spec)},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "local",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": "FOLDER", "value": str(tmp_path)}],
        },
        serviceRole="role",
    )
    return make


@pytest.fixture
def machine(new_machine):
    return new_machine()


ALL_STEPS = ["plan", "curate", "curate", "roll up", "dbt build", "expectations", "publish"]


def test_a_run_does_the_steps_in_their_order_each_as_its_own_component(machine):
    ended = machine.ended(machine.start("run-1", HOURS))
    assert ended["status"] == "SUCCEEDED"
    assert machine.steps == ALL_STEPS
    assert machine.steps == [PLAN.name, "curate", *(step.name for step in STEPS)]
    assert [(call["--from"], call["--to"]) for call in machine.calls if call["step"] == "curate"] == [
        (hours["from_hour"], hours["to_hour"]) for hours in HOURS
    ]
    city = machine.city
    jobs = {"curate": city.glue_job("curate_readings"), "roll up": city.glue_job("rollup_5min")}
    assert [call["caller"] for call in machine.calls] == [jobs.get(step, city.steps_project) for step in ALL_STEPS]
    assert {call["run"] for call in machine.calls if "run" in call} == {"run-1"}


def test_a_job_gets_the_arguments_that_the_command_gives_it(machine):
    machine.ended(machine.start("run-1", HOURS[:1]))
    given = parameters(machine.city) | HOURS[0] | {"run": "run-1"}
    for step in STEPS:
        if step.kind == "glue_job":
            (call,) = (call for call in machine.calls if call["step"] == step.name)
            expected = {name: text.format(**given) for name, text in step.arguments.items()}
            assert {name.removeprefix("--"): value for name, value in call.items() if name[0] == "-"} == expected


def test_hours_that_are_asked_for_reach_the_plan_and_nothing_else(machine):
    machine.ended(machine.start("run-1", HOURS[:1], from_hour="2026-03-02T07:00Z"))
    asked = {call["step"]: (call["from"], call["to"]) for call in machine.calls if "from" in call}
    assert asked.pop("plan") == ("2026-03-02T07:00Z", "")
    assert set(asked.values()) == {("", "")}


def test_a_job_that_fails_once_is_tried_again_and_the_run_succeeds(machine):
    (machine.folder / "failures of curate").write_text("1")
    ended = machine.ended(machine.start("run-1", HOURS))
    assert ended["status"] == "SUCCEEDED"
    assert machine.steps == ["plan", "curate", *ALL_STEPS[1:]]
    first, again, *_ = (call for call in machine.calls if call["step"] == "curate")
    assert first == again


def test_a_job_that_goes_on_failing_fails_the_run_with_what_it_said(machine):
    (machine.folder / "failures of roll up").write_text("9")
    ended = machine.ended(machine.start("run-1", HOURS))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["ErrorMessage"] == "the job roll up is broken"
    (roll_up,) = (step for step in STEPS if step.name == "roll up")
    assert machine.steps == [*ALL_STEPS[:3], *["roll up"] * (1 + roll_up.retries)]


def test_failed_expectations_fail_the_run_before_anything_is_published(machine):
    (machine.folder / "failures of expectations").touch()
    ended = machine.ended(machine.start("run-1", HOURS))
    assert ended["status"] == "FAILED"
    # Not tried again: the same rows would fail once more.
    assert machine.steps == ALL_STEPS[:-1]


def test_nothing_new_and_nothing_pending_is_planned_and_left_at_that(machine):
    assert machine.ended(machine.start("run-1", []))["status"] == "SUCCEEDED"
    assert machine.steps == ["plan"]


def test_hours_that_an_earlier_run_left_pending_are_worked_off(machine):
    assert machine.ended(machine.start("run-1", [], pending=True))["status"] == "SUCCEEDED"
    assert machine.steps == ["plan", *ALL_STEPS[3:]]


def test_a_run_waits_until_the_one_before_it_has_ended(machine):
    (machine.folder / "held").touch()
    first = machine.start("first", HOURS[:1])
    await_true(lambda: machine.steps == ["plan", "curate"])
    second = machine.start("second", HOURS[:1])
    await_true(lambda: "wait for its turn" in entered(second))
    assert machine.steps == ["plan", "curate"]
    (machine.folder / "held").unlink()
    assert {machine.ended(run)["status"] for run in (first, second)} == {"SUCCEEDED"}
    assert machine.steps == 2 * ["plan", *ALL_STEPS[2:]]
    assert [call["run"] for call in machine.calls if "run" in call] == 4 * ["first"] + 4 * ["second"]


def test_a_job_that_is_busy_with_another_run_is_waited_for(new_machine):
    # Two machines do not see each other, as a run that is redriven does not look.
    one, other = new_machine(), new_machine("other")
    (one.folder / "held").touch()
    runs = [one.start("one", HOURS[:1])]
    await_true(lambda: one.steps == ["plan", "curate"])
    runs.append(other.start("other", HOURS[:1]))
    await_true(lambda: GLUE_BUSY in failures(runs[1]))
    (one.folder / "held").unlink()
    assert [one.ended(run)["status"] for run in runs] == ["SUCCEEDED"] * 2
    assert sorted(one.steps) == sorted(2 * ["plan", *ALL_STEPS[2:]])
    assert {error for run in runs for error in failures(run)} <= {GLUE_BUSY, BUILD_BUSY}


def await_true(asked: Callable[[], bool]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + END_S
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def events_of(execution: str) -> list[dict]:
    return boto3.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]


def entered(execution: str) -> list[str]:
    """Return the states that a run has entered."""
    details = (event.get("stateEnteredEventDetails") for event in events_of(execution))
    return [each["name"] for each in details if each]


def failures(execution: str) -> list[str]:
    """Return the errors of a run's tasks so far, those that were tried again too."""
    details = (event.get("taskFailedEventDetails") for event in events_of(execution))
    return [each["error"] for each in details if each]


def test_a_refresh_that_cannot_start_is_told_and_the_run_succeeds(new_machine):
    machine = new_machine(datasets={"congestion": "INCREMENTAL_REFRESH", "zones": "FULL_REFRESH"})
    queue = boto3.client("sqs").create_queue(QueueName=machine.city.operators_topic)["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    topic = boto3.client("sns").create_topic(Name=machine.city.operators_topic)["TopicArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # There is no QuickSight at home, so there are no data sets: a failure that is real.
    assert machine.ended(machine.start("run-1", HOURS[:1]))["status"] == "SUCCEEDED"
    told = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert sorted(json.loads(message["Body"])["Message"] for message in told) == [
        f"The tables of run run-1 are published, but QuickSight did not start to refresh data set {name}: "
        f"data set {name} does not exist"
        for name in ("congestion", "zones")
    ]


def states_of(machine: dict) -> dict[str, dict]:
    """Return all states of a definition, also those within a map."""
    found = dict(machine["States"])
    for state in machine["States"].values():
        if state["Type"] == "Map":
            found |= states_of(state["ItemProcessor"])
    return found


def test_whatever_takes_time_has_a_limit_and_steps_are_not_caught():
    city = CitySettings(stage="prod")
    machine = definition(city, account="000000000000", topic_arn="topic", datasets={"one": "FULL_REFRESH"})
    tasks = {name: state for name, state in states_of(machine).items() if state["Type"] == "Task"}
    assert all(state["TimeoutSeconds"] < machine["TimeoutSeconds"] for state in tasks.values())
    # What is caught cannot be redriven where it failed.
    assert [name for name, state in tasks.items() if "Catch" in state] == ["refresh"]
    sync = {
        state["Comment"]: state["TimeoutSeconds"] for state in tasks.values() if state["Resource"].endswith(".sync")
    }
    assert sync == {step.description: step.timeout_s for step in (PLAN, *STEPS)}


def test_daily_jobs_are_no_part_of_the_hourly_run():
    text = json.dumps(definition(CitySettings(stage="prod"), account="000000000000", topic_arn="topic"))
    assert not [step.target for step in DAILY if CitySettings(stage="prod").glue_job(step.target) in text]
