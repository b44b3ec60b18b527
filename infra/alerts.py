"""`trafficlake alerts backtest`: what the thresholds would have raised, by the functions of the batch job.

An episode counts where it started in the span, with all its notifications: one when it started, one if it escalated,
one when it was cleared. Minutes in alert are those within the span.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pyspark.sql import SparkSession

from glue_jobs.congestion_episodes import READINGS, SENSORS, Span, episodes_of
from glue_jobs.session import spark_session
from glue_jobs.tables import qualified
from infra import console
from infra.errors import FailedError
from infra.runners.glue_step import run_job
from infra.settings import settings
from ingestion.alerts.machine import CRITICAL, WARNING
from ingestion.alerts.thresholds import Thresholds

LONGEST_SHOWN = 10
_MINUTE = timedelta(minutes=1)
Row = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One row of marts.congestion_episodes; times are naive UTC."""

    segment_id: str
    zone_id: str | None
    level: str
    started_at: datetime
    escalated_at: datetime | None
    cleared_at: datetime | None
    worst_congestion_index: float
    delay_veh_h: float | None


def backtest(start: datetime, end: datetime, thresholds: Thresholds) -> None:
    """Show what the thresholds would have raised in `[start, end)`, naive UTC; no table is written.

    Raises FailedError where there is nothing to judge by.
    """
    span = Span(start, end)
    with console.err.status("folding the readings of each segment …"):
        spark = _session_with_readings(span)
        found = [Episode(**row.asDict()) for row in episodes_of(spark, span, thresholds).collect()]
    show(found, span, thresholds, ZoneInfo(settings().city_time_zone))


def write_episodes(start: datetime, end: datetime) -> None:
    """Put the episodes that started in `[start, end)` in place of those of `marts.congestion_episodes`, by the job.

    Raises FailedError where there is nothing to judge by.
    """
    city = settings()
    levels = {"warning": city.alert_warning, "critical": city.alert_critical, "clear": city.alert_clear}
    with console.err.status("folding the readings of each segment …"):
        _session_with_readings(Span(start, end))
        arguments = {"from": start.isoformat(), "to": end.isoformat(), "lake_bucket": city.lake_bucket}
        counts = run_job("congestion_episodes", arguments | {name: str(level) for name, level in levels.items()})
    console.out.print(
        f"{counts['episodes']:,} episodes in marts.congestion_episodes, {counts['critical']:,} of them critical, "
        f"{counts['still_open']:,} still open"
    )


def _session_with_readings(span: Span) -> SparkSession:
    spark = spark_session("trafficlake", settings().lake_bucket)
    if not spark.catalog.tableExists(qualified(SENSORS)):
        raise FailedError("no registry is loaded: run `trafficlake registry load FILE.csv` first.")
    has_readings = spark.catalog.tableExists(qualified(READINGS)) and not (
        spark.table(qualified(READINGS)).where(span.holds("ts")).isEmpty()
    )
    if not has_readings:
        bounds = f"{_minute(span.start)} to {_minute(span.end)} UTC"
        raise FailedError(f"no readings from {bounds}: `trafficlake status` says how far they reach.")
    return spark


def show(found: Sequence[Episode], span: Span, thresholds: Thresholds, zone: ZoneInfo) -> None:
    """Print the sums and tables of a backtest."""
    notifications = sum(sent for *_, sent in by_level(found))
    console.out.print(
        f"{_minute(span.start)} to {_minute(span.end)} UTC, mean index of {thresholds.window_s / 60:g} minutes: "
        f"WARNING above {thresholds.warning:g}, CRITICAL above {thresholds.critical:g}, "
        f"cleared below {thresholds.clear:g} for {thresholds.clear_for_s / 60:g} minutes"
    )
    console.out.print(f"[bold]{len(found):,} episodes, {notifications:,} notifications[/bold]")
    if not found:
        return
    for title, columns, rows in (
        ("By level", ("level", "episodes", "started", "escalated", "cleared", "notifications"), by_level(found)),
        ("By zone", ("zone", "episodes", "critical", "notifications", "minutes"), by_zone(found, span)),
        (f"Minutes in alert by day ({zone.key}), summed over segments", ("day", "minutes"), by_day(found, span, zone)),
        (
            "Longest episodes (UTC)",
            ("segment", "zone", "level", "started", "cleared", "minutes", "worst index", "delay veh·h"),
            longest(found, span),
        ),
    ):
        console.out.print(console.table(title, columns, rows))


def by_level(found: Iterable[Episode]) -> list[Row]:
    """Return (level, episodes, started, escalated, cleared, notifications) of both levels.

    An episode belongs to its worst level; a notification to the level that it tells, or that held until cleared.
    """
    counts = {level: [0, 0, 0, 0] for level in (WARNING, CRITICAL)}
    for episode in found:
        counts[episode.level][0] += 1
        escalated = episode.escalated_at is not None
        counts[WARNING if escalated else episode.level][1] += 1
        counts[CRITICAL][2] += escalated
        counts[episode.level][3] += episode.cleared_at is not None
    return [(level, *of_level, sum(of_level[1:])) for level, of_level in counts.items()]


def by_zone(found: Iterable[Episode], span: Span) -> list[Row]:
    """Return (zone, episodes, critical ones, notifications, minutes in alert), most minutes first."""
    of_zone: dict[str | None, list[Episode]] = defaultdict(list)
    for episode in found:
        of_zone[episode.zone_id].append(episode)
    rows = [
        (
            zone_id,
            len(episodes),
            sum(episode.level == CRITICAL for episode in episodes),
            sum(map(_notifications, episodes)),
            round(sum(minutes(episode, span) for episode in episodes)),
        )
        for zone_id, episodes in of_zone.items()
    ]
    return sorted(rows, key=lambda row: (-row[4], str(row[0])))


def by_day(found: Iterable[Episode], span: Span, zone: ZoneInfo) -> list[Row]:
    """Return (local date, minutes in alert summed over segments) of every local day that the span touches."""
    sums = {day: 0.0 for day, _, _ in _days(span.start, span.end, zone)}
    for episode in found:
        for day, start, end in _days(episode.started_at, _ended(episode, span), zone):
            sums[day] += (end - start) / _MINUTE
    return [(day, round(total)) for day, total in sums.items()]


def longest(found: Iterable[Episode], span: Span) -> list[Row]:
    """Return the rows of the longest episodes; minutes are those within the span."""
    ranked = sorted(found, key=lambda episode: (-minutes(episode, span), episode.started_at, episode.segment_id))
    return [
        (
            *(episode.segment_id, episode.zone_id, episode.level, _minute(episode.started_at)),
            "open" if episode.cleared_at is None else _minute(episode.cleared_at),
            round(minutes(episode, span)),
            episode.worst_congestion_index,
            episode.delay_veh_h,
        )
        for episode in ranked[:LONGEST_SHOWN]
    ]


def minutes(episode: Episode, span: Span) -> float:
    """Return how long an episode was in alert within the span."""
    return (_ended(episode, span) - episode.started_at) / _MINUTE


def _ended(episode: Episode, span: Span) -> datetime:
    return span.end if episode.cleared_at is None else min(episode.cleared_at, span.end)


def _notifications(episode: Episode) -> int:
    return 1 + (episode.escalated_at is not None) + (episode.cleared_at is not None)


def _days(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[str, datetime, datetime]]:
    """Cut `[start, end)` at local midnights; yields (local date, start, end) of each part, naive UTC."""
    while start < end:
        day = start.replace(tzinfo=UTC).astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=zone)
        until = min(end, midnight.astimezone(UTC).replace(tzinfo=None))
        yield day.isoformat(), start, until
        start = until


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
