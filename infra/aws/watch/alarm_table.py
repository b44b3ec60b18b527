"""The alarms as a table for people."""

from infra.aws.stages import Stage
from infra.aws.watch.alarm import Alarm
from infra.aws.watch.alarm_list import alarms, composites


def alarms_table(stage: Stage) -> str:
    """Return the table of alarms in Markdown, for the operator's handbook; thresholds are those of the stage."""
    rows = [("alarm", "fires when", "means", "do")]
    rows += [(f"`{each.name}`", _condition(each), each.means, each.do) for each in alarms(stage, "")]
    for each in composites(stage):
        parts = ", ".join(f"`{part}`" for part in each.parts)
        rows.append((f"`{each.name}`", f"one of {parts} fires; these send no message", each.means, each.do))
    header, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([header, "|---|---|---|---|", *body]) + "\n"


def _condition(alarm: Alarm) -> str:
    metric = alarm.metric
    beyond = {"above": ">", "below": "<"}[alarm.fires]
    times = "" if (alarm.times, alarm.of) == (1, 1) else f", {alarm.times} of {alarm.of} times"
    by = "" if alarm.setting == "any" else f" ({alarm.setting})"
    return (
        f"{metric.namespace} {metric.name}, {metric.statistic.lower()} of {metric.period_s // 60} min "
        f"{beyond} {alarm.threshold:,.10g} {metric.unit}{by}{times}"
    )
