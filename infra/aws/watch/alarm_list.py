"""The alarms, as plain data: what is looked at, when it is too much or too little, what that means and what to do.

The text is an alarm's description on AWS, and a row of the table in docs/operate.md (`alarm_table`).
"""

from infra.alert_definitions import LIMITS, RETRIES
from infra.aws.stages import Stage, plan_of
from infra.aws.watch import metrics
from infra.aws.watch.alarm import Alarm, Composite
from infra.aws.watch.metrics import PERIOD_S, Metric
from infra.runners import metrics as run_metrics
from infra.sizing.resources import SHARD_IN_RECORDS

# Above this share of what the stream takes, or of a function's timeout, there is no room left for a rush.
_NEARLY = 0.9
# On-demand mode takes twice the most of the last 30 days at once (Kinesis, "Choose the right mode").
_ON_DEMAND_GROWTH = 2
# What does not arrive for one reason is one message: these alarms send none of their own.
NO_DATA = "data-not-arriving"
_DOES = {
    "judge": "judges readings",
    "track": "keeps the state of segments",
    "describe": "words alerts",
    "watch": "ticks and looks for silent zones",
}
_SET_ASIDE = f"its batch is tried again, {RETRIES} times at most, and then set aside in the queue of failed batches"
_WHEN_IT_FAILS = {
    "judge": _SET_ASIDE,
    "track": _SET_ASIDE,
    "describe": f"the pipe tries again, {RETRIES} times at most, and then sets the change aside as undelivered",
    "watch": "it is called again in the next minute",
}


def alarms(stage: Stage, account: str) -> tuple[Alarm, ...]:
    """Return the alarms of a stage in an account, by the way that data takes."""
    return (
        *_arrival(stage),
        *_stream_throttles(stage),
        *_landing(stage),
        *(alarm for name in LIMITS for alarm in _function(stage, name)),
        *_alerts(stage),
        *_queues(stage),
        *_runs(stage, account),
    )


def composites(stage: Stage) -> tuple[Composite, ...]:
    """Return the alarms that stand for several."""
    return (
        Composite(
            NO_DATA,
            tuple(alarm.name for alarm in alarms(stage, "") if alarm.part_of == NO_DATA),
            "Readings do not arrive, or do not land in the lake, as they should.",
            "See which of its parts is in alarm and follow that one; the run goes on with what there is.",
        ),
    )


def expected_readings(stage: Stage) -> float:
    """Return the readings of a period of `PERIOD_S`, when every sensor reports."""
    return stage.sensors / stage.interval_s * PERIOD_S


def readings_taken(stage: Stage) -> float:
    """Return the records that the stream of readings takes in a period of `PERIOD_S`."""
    plan = plan_of(stage)
    if stage.capacity == "sized" and plan.stream_modes["readings"] == "provisioned":
        return plan.resources.readings_stream.shards * SHARD_IN_RECORDS * PERIOD_S
    return expected_readings(stage) * _ON_DEMAND_GROWTH


def _arrival(stage: Stage) -> tuple[Alarm, ...]:
    arriving = metrics.stream(stage.city.stream, "IncomingRecords", "records")
    return (
        Alarm(
            "readings-too-few",
            arriving,
            "below",
            expected_readings(stage) * stage.readings_floor_share,
            "sensors, interval_s, readings_floor_share",
            "Far fewer readings arrive than the city's sensors send, or none.",
            "Look at the dashboard's row of devices: no messages means network or certificates, messages without "
            "records means the topic rules; expected until the first devices are installed.",
            times=3,
            of=3,
            missing="breaching",
            part_of=NO_DATA,
        ),
        Alarm(
            "readings-too-many",
            arriving,
            "above",
            readings_taken(stage) * _NEARLY,
            "90 % of what the stream takes: sensors, interval_s, capacity",
            "Readings arrive at nearly the rate that the stream takes; above it, senders are refused.",
            "Find who sends more than planned; if the city has grown, set `sensors` and `interval_s` and deploy.",
            times=3,
            of=3,
        ),
        Alarm(
            "messages-refused",
            metrics.refused_messages(stage.city),
            "above",
            expected_readings(stage) * stage.bad_readings_share,
            "sensors, interval_s, bad_readings_share",
            "Many messages of devices are no readings, or their topic rule could not pass them on; they are kept.",
            "Read the newest objects under `device-errors/` in the raw bucket: with `failures` in them, mend the "
            "rule's role or the stream; without, what the devices send.",
            times=2,
            of=3,
        ),
    )


def _stream_throttles(stage: Stage) -> tuple[Alarm, ...]:
    city = stage.city
    streams = (("readings", city.stream, NO_DATA), ("segments", city.segment_stream, None))
    return tuple(
        Alarm(
            f"{which}-{what}-throttled",
            metrics.stream(name, f"{metric}ProvisionedThroughputExceeded", "refused calls"),
            "above",
            0,
            "any",
            f"The stream {name} refuses {who} for want of shards; what is refused is tried again, and comes late.",
            "See whether one shard gets all (a partition key that does not vary) or all are full; then deploy with "
            "more sensors planned, or with `capacity` on-demand.",
            times=2,
            of=3,
            part_of=part_of,
        )
        for which, name, part_of in streams
        for what, metric, who in (("write", "Write", "records"), ("read", "Read", "its readers"))
    )


def _landing(stage: Stage) -> tuple[Alarm, ...]:
    city = stage.city
    return (
        Alarm(
            "landing-late",
            metrics.delivery(city, "DeliveryToS3.DataFreshness", "s", "Maximum"),
            "above",
            stage.landing_late_after_s,
            "landing_late_after_s",
            "The oldest reading that Firehose has not written yet is older than it should ever be.",
            "Read the delivery's log group for refused access (bucket, key, Glue table); nothing is lost while the "
            "stream keeps its records.",
            times=2,
            of=2,
            part_of=NO_DATA,
        ),
        Alarm(
            "delivery-behind",
            metrics.delivery(city, "KinesisMillisBehindLatest", "ms", "Maximum"),
            "above",
            stage.behind_after_s * 1000,
            "behind_after_s",
            "Firehose is behind in reading the stream.",
            "See whether the stream's readers are throttled, and whether the delivery's role may still read it.",
            times=3,
            of=3,
            part_of=NO_DATA,
        ),
        Alarm(
            "conversion-failures",
            metrics.delivery(city, "FailedConversion.Records", "records"),
            "above",
            expected_readings(stage) * stage.bad_readings_share,
            "sensors, interval_s, bad_readings_share",
            "Many records are no readings that can be converted to Parquet; they are kept and end as rejected.",
            "Read `raw.delivery_errors`, or the newest objects under `errors/` in the raw bucket, for who sends what.",
            times=2,
            of=3,
        ),
    )


def _function(stage: Stage, name: str) -> tuple[Alarm, ...]:
    city, does = stage.city, _DOES[name]
    timeout_s, _ = LIMITS[name]
    return (
        Alarm(
            f"{name}-errors",
            metrics.function(city, name, "Errors", "errors"),
            "above",
            0,
            "any",
            f"The function `{name}`, which {does}, fails; {_WHEN_IT_FAILS[name]}.",
            "Read its log for the cause; if a deployment brought it, roll back.",
            times=2,
            of=3,
        ),
        Alarm(
            f"{name}-throttled",
            metrics.function(city, name, "Throttles", "refused calls"),
            "above",
            0,
            "any",
            f"Lambda does not run the function `{name}`, which {does}, because the account's concurrency is used up.",
            "Find which function of the account takes it all, or ask AWS for a higher quota.",
            times=2,
            of=3,
        ),
        Alarm(
            f"{name}-slow",
            metrics.function(city, name, "Duration", "ms", "Maximum"),
            "above",
            _NEARLY * timeout_s * 1000,
            f"90 % of its timeout of {timeout_s} s",
            f"The function `{name}`, which {does}, nearly takes its whole timeout; beyond it, it fails.",
            "See whether what it calls is throttled (streams, table); if not, it needs more memory for its batches.",
            times=2,
            of=3,
        ),
    )


def _alerts(stage: Stage) -> tuple[Alarm, ...]:
    city = stage.city
    return (
        *(
            Alarm(
                f"{name}-behind",
                metrics.function(city, name, "IteratorAge", "ms", "Maximum"),
                "above",
                stage.behind_after_s * 1000,
                "behind_after_s",
                f"The function `{name}`, which {_DOES[name]}, is behind its stream, so alerts come late.",
                "See whether it fails or is throttled; else the stream has fewer shards than these readings need.",
                times=2,
                of=2,
            )
            for name in ("judge", "track")
        ),
        Alarm(
            "watch-not-running",
            metrics.function(city, "watch", "Invocations", "calls"),
            "below",
            1,
            "any",
            "The function `watch` was not called: nobody looks for silent zones, and last readings wait for a tick.",
            "See whether its rule is enabled and may call it.",
            times=2,
            of=2,
            missing="breaching",
        ),
        Alarm(
            "readings-rejected",
            metrics.alerts(city, "RejectedReadings", "readings"),
            "above",
            expected_readings(stage) * stage.bad_readings_share,
            "sensors, interval_s, bad_readings_share",
            "Many readings are not valid, so neither alerts nor marts count them.",
            "Query `curated.rejected_readings` for the reasons and the devices; a new firmware is the usual cause.",
            times=2,
            of=3,
        ),
        Alarm(
            "unreadable-records",
            metrics.alerts(city, "UnreadableRecords", "records"),
            "above",
            0,
            "any",
            "The stream of judged readings holds records that `track` cannot read, so alerts miss them.",
            "See whether both functions are of one release, and who else writes to that stream.",
        ),
        *(
            Alarm(
                f"table-{what}s-throttled",
                metrics.table(city, f"{what.capitalize()}ThrottleEvents", "refused calls"),
                "above",
                0,
                "any",
                f"DynamoDB refuses {what}s of the alerts' table; they are tried again, and alerts come late.",
                "See whether one segment or zone takes all of them, and the account's quotas for tables on demand.",
                times=2,
                of=3,
            )
            for what in ("write", "read")
        ),
        Alarm(
            "table-user-errors",
            # DynamoDB counts them for the whole account and region, by no dimension ("DynamoDB metrics", UserErrors).
            Metric("AWS/DynamoDB", "UserErrors", (), "Sum", "refused calls"),
            "above",
            0,
            "any",
            "DynamoDB refuses calls of this account and region as wrong: a role or a request does not fit its table.",
            "Read the logs of `track` and `watch` for the refused call; if they are clean, it is another application.",
            times=2,
            of=3,
        ),
    )


def _queues(stage: Stage) -> tuple[Alarm, ...]:
    city = stage.city
    queues = (
        (
            "failed-batches",
            city.failed_queue,
            "Batches that a function could not take lie in their queue.",
            "Mend what the function's log says, write the episodes of that time, and empty the queue.",
        ),
        (
            "undelivered-alerts",
            city.undelivered_queue,
            "Alerts that nobody got lie in their queue.",
            "Read a message for the cause, mend it, and run `trafficlake alerts redeliver`.",
        ),
        (
            "unstarted-runs",
            city.unstarted_queue,
            "Runs or daily jobs that the scheduler could not start lie in their queue.",
            "Read a message for the cause, mend it, and empty the queue: the next run takes the missed hours.",
        ),
    )
    return tuple(
        Alarm(
            name,
            metrics.queue(queue),
            "above",
            0,
            "any",
            means,
            do,
        )
        for name, queue, means, do in queues
    )


def _runs(stage: Stage, account: str) -> tuple[Alarm, ...]:
    city, hours = stage.city, stage.run_late_after_h
    arn = metrics.machine_arn(city, account)
    return (
        Alarm(
            "run-late",
            metrics.machine(arn, "ExecutionsSucceeded", "runs"),
            "below",
            1,
            "run_late_after_h",
            f"No hourly run has succeeded for {hours} hours, so the marts are not up to date.",
            "Look at the last executions: mend what failed and redrive it, or see why the schedule starts none.",
            times=hours,
            of=hours,
            missing="breaching",
        ),
        Alarm(
            "marts-old",
            metrics.run(city, run_metrics.FRESHNESS, "h"),
            "above",
            hours,
            "run_late_after_h",
            "Runs end, and yet the newest hour of the marts is old.",
            "Compare newest reading and newest hour in `trafficlake status`: devices may send old times, or nothing.",
            missing="ignore",
        ),
        Alarm(
            "hours-unbalanced",
            metrics.run(city, run_metrics.UNBALANCED, "arrival hours"),
            "above",
            0,
            "any",
            "Landed readings of an arrival hour are neither curated, duplicates nor rejected, or some that were sent "
            "have not landed; runs that touch the hour fail.",
            "`trafficlake status` shows the hour and its terms; run that hour again, and if it stays, compare its "
            "objects with `curated.processed_objects`.",
            missing="ignore",
        ),
    )
