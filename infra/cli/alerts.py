"""`trafficlake alerts`."""

from dataclasses import astuple
from datetime import UTC, datetime
from typing import Annotated

import typer

from infra import console
from infra.cli.home import Home, HomeOption, TableOrJson, check_home, enter, utc_time
from infra.errors import UsageError
from ingestion.alerts.thresholds import Thresholds

app = typer.Typer(no_args_is_help=True, help="Congestion alerts.")


@app.command("backtest")
def alerts_backtest(  # noqa: PLR0913, PLR0917 — one for each option
    start: Annotated[str, typer.Option("--from", metavar="T", help="start of the event time, UTC")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="its end, exclusive")],
    warning: Annotated[float, typer.Option(help="mean congestion index above which a WARNING starts")] = 80,
    critical: Annotated[float, typer.Option(help="mean index above which it is CRITICAL")] = 90,
    clear: Annotated[float, typer.Option(help="mean index below which it is cleared, after 10 minutes")] = 70,
    home: HomeOption = Home.local,
) -> None:
    """Show what thresholds would have raised: episodes and notifications by level and zone, the longest, minutes.

    It folds the curated readings of that time through the state machine of the alerts; nothing is written or sent.

    Example: [bold]trafficlake alerts backtest --from 2026-03-02 --to 2026-03-09 --warning 75[/bold]
    """
    bounds = _span(start, end)
    _refuse_aws(home)
    try:
        thresholds = Thresholds(warning=warning, critical=critical, clear=clear)
    except ValueError as error:
        raise UsageError(str(error)) from error
    enter(home)
    from infra import alerts  # noqa: PLC0415

    alerts.backtest(*bounds, thresholds)


@app.command("episodes")
def alerts_episodes(
    start: Annotated[str, typer.Option("--from", metavar="T", help="start of the event time, UTC")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="its end, exclusive")],
    home: HomeOption = Home.local,
) -> None:
    """Write the episodes that started in that time to marts.congestion_episodes, in place of those of before.

    Example: [bold]trafficlake alerts episodes --from 2026-03-02 --to 2026-03-09[/bold]
    """
    bounds = _span(start, end)
    _refuse_aws(home)
    enter(home)
    from infra import alerts  # noqa: PLC0415

    alerts.write_episodes(*bounds)


def _span(start: str, end: str) -> tuple[datetime, datetime]:
    """Return a span of time, naive UTC. Raises UsageError for one that holds no time."""
    bounds = utc_time("--from", start), utc_time("--to", end)
    if bounds[0] >= bounds[1]:
        raise UsageError("--from must be earlier than --to.")
    return bounds


def _refuse_aws(home: Home) -> None:
    if home is Home.aws:
        raise UsageError("on AWS the Glue job congestion_episodes finds the episodes, not this machine.")


@app.command("list")
def alerts_list(
    output: Annotated[TableOrJson, typer.Option(help="how to show the alerts")] = TableOrJson.table,
    home: HomeOption = Home.local,
) -> None:
    """Show the segments that are in alert now, the worst first, with the mean congestion index of ten minutes."""
    enter(home, quiet=output is TableOrJson.json)
    from infra import current_alerts  # noqa: PLC0415

    alerts = current_alerts.current_alerts()
    if output is TableOrJson.json:
        console.raw(current_alerts.as_json(alerts))
    elif alerts:
        console.out.print(console.table("", current_alerts.COLUMNS, map(astuple, alerts)))
    else:
        console.out.print("no segment is in alert")


@app.command("watch")
def alerts_watch(home: HomeOption = Home.local) -> None:
    """Show each change of the alerts as it happens, until Ctrl-C."""
    enter(home)
    from infra import current_alerts  # noqa: PLC0415

    current_alerts.watch()


@app.command("redeliver")
def alerts_redeliver(home: HomeOption = Home.local) -> None:
    """Send alerts again that a topic or a webhook did not take, once the cause is mended.

    They go to every route that wants them: who got one before sees its event_id a second time.
    """
    enter(home)
    from infra.redelivery import redeliver  # noqa: PLC0415
    from infra.settings import settings  # noqa: PLC0415

    done = redeliver(settings())
    console.out.print(f"{done.sent:,} events sent again")
    if done.left:
        console.out.print(f"{done.left:,} messages hold no event and stay in {settings().undelivered_queue}")


@app.command("replay")
def alerts_replay(
    start: Annotated[str, typer.Option("--from", metavar="T", help="start of the time that they were sent in, UTC")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="its end, exclusive")],
    route: Annotated[str | None, typer.Option(help="only to this one of TRAFFICLAKE_ALERT_ROUTES")] = None,
    home: HomeOption = Home.local,
) -> None:
    """Send the alerts of a time again, from the archive that the bus keeps: to a route that is new or was cut off.

    Example: [bold]trafficlake alerts replay --from 2026-03-02T07:00 --to 2026-03-02T09:00 --route centre[/bold]
    """
    check_home(home)
    bounds = _span(start, end)
    enter(home)
    from infra.redelivery import replay  # noqa: PLC0415
    from infra.settings import settings  # noqa: PLC0415

    name = replay(settings(), *(moment.replace(tzinfo=UTC) for moment in bounds), route)
    console.out.print(f"replay {name} has begun")
