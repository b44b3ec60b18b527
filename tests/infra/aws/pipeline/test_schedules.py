"""The hourly run and each daily job are started in time, by a role that may start nothing else."""

import json
from datetime import datetime

import pytest

from glue_jobs.arguments import job_arguments
from glue_jobs.congestion_episodes import Span, span_of, thresholds_of
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


def started(resources, stage, module):
    """Return the arguments that the schedule of a daily job gives it, as the job reads them."""
    schedule = properties(resources, SCHEDULE, Name=stage.city.glue_job(module))
    given = json.loads(schedule["Target"]["Input"])
    assert flat(schedule["Target"]["Arn"]) == "arn:aws:scheduler:::aws-sdk:glue:startJobRun"
    assert given["JobName"] == stage.city.glue_job(module)
    words = [part for pair in given["Arguments"].items() for part in pair]
    return job_arguments(words, ("lake_bucket",), dict.fromkeys(("from", "to", "warning", "critical", "clear"), ""))


def test_maintenance_is_told_where_the_lake_is(resources, stage):
    assert started(resources, stage, "maintain_tables")["lake_bucket"] == stage.city.lake_bucket


def test_episodes_are_those_of_the_last_two_days_by_the_city_s_own_thresholds(resources, stage):
    given = started(resources, stage, "congestion_episodes")
    assert given["lake_bucket"] == stage.city.lake_bucket
    assert thresholds_of(given) == stage.city.alert_thresholds
    assert span_of(given, datetime(2026, 3, 4, 3, 55)) == Span(datetime(2026, 3, 2), datetime(2026, 3, 4))


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
