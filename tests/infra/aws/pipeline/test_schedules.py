"""The hourly run and each daily job are started in time, by a role that may start nothing else."""

import json

import pytest

from glue_jobs import congestion_episodes, maintain_tables
from infra.aws.alerts.events import DeadLetters
from infra.aws.pipeline.machine import HourlyMachine
from infra.aws.pipeline.schedules import Schedules
from infra.aws.storage.buckets import Buckets
from infra.pipeline import DAILY
from tests.infra.aws.templates import allowed, flat, named, of_type, properties

HERE = "us-east-1:<AWS::AccountId>"
QUEUE = "trafficlake-test-unstarted"
SCHEDULE = "AWS::Scheduler::Schedule"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:trafficlake-test-hourly"


@pytest.fixture(scope="module")
def resources(resources_of, stage):
    def make(stack):
        machine = HourlyMachine(stack, "Machine", stage=stage, buckets=Buckets(stack, "Buckets", stage=stage))
        unstarted = DeadLetters(stack, "Unstarted", name=QUEUE)
        Schedules(stack, "Schedules", stage=stage, machine=machine, unstarted=unstarted)

    return resources_of(make)


def test_the_run_starts_some_minutes_after_every_hour(resources, stage):
    hourly = properties(resources, SCHEDULE, Name="trafficlake-test-hourly")
    assert hourly["ScheduleExpression"] == "cron(10 * * * ? *)"
    # What was sent within the hour has landed by then.
    assert stage.run_minute * 60 > stage.city.buffering_interval_s
    assert flat(hourly["Target"]["Arn"]) == MACHINE
    assert json.loads(hourly["Target"]["Input"]) == {}


def test_daily_jobs_start_once_a_day_between_two_runs_and_not_together(resources):
    times = {}
    for step in DAILY:
        daily = properties(resources, SCHEDULE, Name=f"trafficlake-test-{step.target.replace('_', '-')}")
        minute, hour, *every = daily["ScheduleExpression"].removeprefix("cron(").rstrip(")").split()
        assert every == ["*", "*", "?", "*"]
        times[step.target] = (int(hour), int(minute))
    assert times == {"maintain_tables": (3, 40), "congestion_episodes": (3, 55)}


@pytest.mark.parametrize("module", [maintain_tables, congestion_episodes], ids=lambda module: module.__name__)
def test_a_daily_job_gets_arguments_that_it_takes(resources, stage, module, monkeypatch):
    name = module.__name__.removeprefix("glue_jobs.")
    schedule = properties(resources, SCHEDULE, Name=stage.city.glue_job(name))
    given = json.loads(schedule["Target"]["Input"])
    assert flat(schedule["Target"]["Arn"]) == "arn:aws:scheduler:::aws-sdk:glue:startJobRun"
    assert given["JobName"] == stage.city.glue_job(name)
    reached = []
    monkeypatch.setattr(module, "spark_session", lambda app, bucket: reached.append((app, bucket)))
    monkeypatch.setattr(module, "run", lambda *_: reached.append("run") or _Nothing())
    monkeypatch.setattr(module, "asdict", dict, raising=True)
    module.main([part for pair in given["Arguments"].items() for part in pair])
    assert reached == [(name, stage.city.lake_bucket), "run"]


class _Nothing(dict):
    """The counts of a job that did nothing."""


def test_what_cannot_be_started_is_tried_again_and_then_kept(resources):
    for schedule in of_type(resources, SCHEDULE):
        target = schedule["Properties"]["Target"]
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        # Not when the next run is due.
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] < 3600
        assert resources[target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]]["Properties"]["QueueName"] == QUEUE
        assert schedule["Properties"]["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_a_schedule_s_role_may_start_only_what_it_starts(resources):
    jobs = {f"arn:aws:glue:{HERE}:job/trafficlake-test-{step.target.replace('_', '-')}" for step in DAILY}
    kept = {"sqs:SendMessage": {QUEUE}}
    assert named(resources, allowed(resources, "SchedulesHourlyRole")) == {"states:StartExecution": {MACHINE}} | kept
    assert named(resources, allowed(resources, "SchedulesDailyRole")) == {"glue:StartJobRun": jobs} | kept
