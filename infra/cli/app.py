"""The `trafficlake` command. Exit codes: 0 success, 1 something failed, 2 what was given cannot be used."""

import os
import shlex
import sys
from datetime import datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pydantic_settings import SettingsError

from infra import console
from infra.cli import alerts, aws, dashboard, devices, plan, tables
from infra.cli.home import Home, HomeOption, check_home, enter, fetch_tools, utc_time
from infra.errors import FailedError, UsageError
from infra.home.environment import leads_elsewhere, local_environment, use_local_home
from infra.home.resources import create_resources
from infra.local import process, toolchain
from infra.runners.events import RunReport, StepFailedError
from infra.settings import problems, settings
from ingestion.errors import UnusableFileError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="The traffic-data lakehouse of a city: sensor readings in, congestion marts out.\n\n"
    "Everything runs on this machine unless you ask for AWS with [bold]--home aws[/bold].",
    epilog="First steps: [bold]trafficlake demo[/bold], then [bold]trafficlake status[/bold] and "
    '[bold]trafficlake query "select * from marts.congestion_daily limit 5"[/bold].',
)
registry_app = typer.Typer(no_args_is_help=True, help="The city's sensors, segments and zones.")
app.add_typer(registry_app, name="registry")
app.add_typer(alerts.app, name="alerts")
app.add_typer(devices.app, name="devices")
app.add_typer(tables.app, name="tables")
app.command()(aws.synth)
app.command()(aws.deploy)
app.command()(aws.destroy)
app.command()(plan.plan)
app.command()(dashboard.dashboard)


class Via(StrEnum):
    """How readings travel."""

    kinesis = "kinesis"
    archive = "archive"


class InputFormat(StrEnum):
    """How input files are written."""

    canonical = "canonical"
    portal = "portal"
    metr_la = "metr-la"


class Output(StrEnum):
    """How rows are shown."""

    table = "table"
    csv = "csv"
    json = "json"


class Action(StrEnum):
    """What to do with the local endpoint."""

    start = "start"
    stop = "stop"
    status = "status"


Hour = Annotated[str | None, typer.Option(metavar="TIME", help="UTC hour such as 2026-03-02T07:00")]


@app.command()
def local(action: Annotated[Action, typer.Argument(help="what to do")] = Action.start) -> None:
    """The local AWS endpoint with its engines: start it to stay, stop it, or ask whether it runs.

    The other commands start one by themselves, which stops after 15 minutes without use. It listens on loopback
    only; objects and catalog lie in [bold].trafficlake/[/bold] and survive restarts.
    """
    folder = process.state_dir()
    if action is Action.start:
        fetch_tools()
        endpoint = process.start(folder)
        use_local_home(endpoint.url)
        create_resources()
        console.out.print(f"running at {endpoint.url} (process {endpoint.pid}); state in {folder}")
        console.out.print('point any AWS tool at it with: eval "$(trafficlake env)"')
    elif action is Action.stop:
        console.out.print("stopped" if process.stop(folder) else "none was running")
    else:
        found = process.status(folder)
        if found is None:
            console.out.print("not running; start it with `trafficlake local start`")
        else:
            idle = f"stops after {found.idle_s:.0f} s without use" if found.idle_s else "stays until it is stopped"
            console.out.print(f"running at {found.url} (process {found.pid}), {idle}; log {process.log_path(folder)}")


@registry_app.command("load")
def registry_load(
    file: Annotated[str, typer.Argument(help="CSV file, or the folder of a data set with --format")],
    input_format: Annotated[InputFormat, typer.Option("--format", help="how it is written")] = InputFormat.canonical,
    home: HomeOption = Home.local,
) -> None:
    """Load sensors, segments and zones from a CSV file, keeping history.

    Required columns: sensor_id, segment_id, length_km, interval_s. Optional: corridor_id, zone_id, lane, lanes,
    latitude, longitude, position_km, capacity_veh_h, speed_limit_kmh, assumed_flow_veh_h, valid_from. Rows that cannot
    be used are listed with the reason and left out; the others are loaded.
    """
    check_home(home)
    # Imported where they are used, here and below: together they take seconds, and `--help` should not.
    from infra import registry  # noqa: PLC0415

    usable = registry.read(input_format.value, file)
    enter(home)
    registry.load(usable)


@app.command()
def ingest(
    files: Annotated[list[str], typer.Argument(help="JSON lines, plain or .gz; - is stdin; or a data set's folder")],
    input_format: Annotated[InputFormat, typer.Option("--format", help="how it is written")] = InputFormat.canonical,
    via: Annotated[
        Via, typer.Option(help="kinesis: the live path; archive: history, each reading at its own arrival time")
    ] = Via.kinesis,
    home: HomeOption = Home.local,
) -> None:
    """Send readings: over Kinesis and Firehose like a device's, or as history straight into the landing layout.

    The data sets [bold]portal[/bold] and [bold]metr-la[/bold] bring their registry, which is loaded first.

    Example: [bold]trafficlake ingest readings.jsonl.gz --via archive[/bold]
    """
    for file in files:
        if file != "-" and not Path(file).exists():
            raise UnusableFileError(f"{file} does not exist.")
    check_home(home)
    from infra import registry  # noqa: PLC0415
    from ingestion import formats  # noqa: PLC0415
    from ingestion.publish.archive import archive  # noqa: PLC0415
    from ingestion.publish.kinesis import publish  # noqa: PLC0415

    has_registry = input_format is not InputFormat.canonical
    registries = [registry.read(input_format.value, file) for file in files] if has_registry else []
    for file in files:
        formats.check(input_format.value, file)
    enter(home)
    for usable in registries:
        registry.load(usable)
    documents = chain.from_iterable(formats.documents(input_format.value, file) for file in files)
    city = settings()
    with console.counting("sending readings") as advance:
        if via is Via.kinesis:
            sent = publish(documents, city.stream, city.raw_bucket, advance)
        else:
            sent = archive(documents, city.raw_bucket, advance)
    console.sent(sent, via.value)
    if sent.failed:
        raise typer.Exit(1)


@app.command()
def run(
    start: Annotated[str | None, typer.Option("--from", metavar="T", help="first arrival hour, UTC")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="end of the arrival hours, exclusive")] = None,
    home: HomeOption = Home.local,
) -> None:
    """Run the hourly pipeline: curate, roll up, dbt build, expectations, publish.

    Without bounds it takes the arrival hours that are not processed yet. Safe to repeat and to kill: run it again and
    it goes on. With --home aws it starts the state machine that the schedule starts every hour.

    Example: [bold]trafficlake run --from 2026-03-02T07:00 --to 2026-03-02T09:00[/bold]
    """
    bounds = _hour("--from", start), _hour("--to", end)
    if bounds[0] and bounds[1] and bounds[0] >= bounds[1]:
        raise UsageError("--from must be earlier than --to.")
    enter(home)
    if home is Home.aws:
        from infra import executions  # noqa: PLC0415

        console.out.print(f"started {executions.start(settings(), *bounds)}", soft_wrap=True)
        return
    _run(*bounds)


def _run(start: datetime | None = None, end: datetime | None = None) -> RunReport:
    from infra.run_steps import run as run_steps  # noqa: PLC0415

    with console.run_progress() as on_event:
        report = run_steps(start, end, on_event=on_event, lock_file=process.state_dir() / "run.lock")
    console.run_report(report)
    return report


def _hour(option: str, text: str | None) -> datetime | None:
    """Return a whole hour as naive UTC; a time without zone is UTC."""
    if text is None:
        return None
    moment = utc_time(option, text)
    if (moment.minute, moment.second, moment.microsecond) != (0, 0, 0):
        raise UsageError(f"{option} {text} is not a whole hour; arrival hours are, such as {moment:%Y-%m-%dT%H:00}.")
    return moment


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="one statement of Athena SQL")],
    output: Annotated[Output, typer.Option(help="how to show the rows")] = Output.table,
    home: HomeOption = Home.local,
) -> None:
    """Run SQL in Athena; shows rows, bytes scanned and time.

    Tables: marts.congestion_hourly, marts.congestion_daily, marts.zone_congestion_hourly, marts.zone_congestion_daily,
    marts.reconciliation_hourly, curated.readings, curated.rejected_readings, curated.sensor_5min,
    raw.sensor_readings, reference.sensors.
    """
    enter(home, quiet=output is not Output.table)
    from infra.athena import as_json, ask  # noqa: PLC0415

    answer = ask(sql)
    if output is Output.csv:
        console.raw(answer.rows.to_csv(index=False))
    elif output is Output.json:
        console.raw(as_json(answer.rows))
    elif len(answer.rows.columns):
        console.out.print(console.table("", list(answer.rows.columns), answer.rows.itertuples(index=False)))
    console.err.print(
        f"{len(answer.rows):,} rows, {answer.scanned_bytes:,} bytes scanned, {answer.total_ms / 1000:.2f} s",
        style="dim",
    )


@app.command()
def env(home: HomeOption = Home.local) -> None:
    """Print export lines that point any AWS tool at the local endpoint: eval "$(trafficlake env)"."""
    if home is Home.aws:
        raise UsageError("on AWS your own credentials are the environment: there is nothing to export.")
    elsewhere = sorted(filter(leads_elsewhere, os.environ))  # entering the home takes them away from this process
    enter(home, quiet=True)
    if elsewhere:
        console.raw(f"unset {' '.join(elsewhere)}")
    for name, value in local_environment(os.environ["AWS_ENDPOINT_URL"]).items():
        console.raw(f"export {name}={shlex.quote(value)}")
    from infra.devices import mqtt_address  # noqa: PLC0415

    host, port = mqtt_address()
    console.raw(f"export TRAFFICLAKE_MQTT_HOST={host}\nexport TRAFFICLAKE_MQTT_PORT={port}")


@app.command()
def status(home: HomeOption = Home.local) -> None:
    """Show freshness, last runs, reconciliation by arrival hour, and sensors that are unknown or silent."""
    enter(home)
    from infra.status import read_status, show  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415

    show(read_status(open_catalog()))


@app.command()
def demo() -> None:
    """Run the whole batch path on a simulated city: eight days of history, then its last hour live.

    A second run finds what the first one sent and changes no figure.
    """
    enter(Home.local)
    from infra import demo as city_demo  # noqa: PLC0415

    if not city_demo.play(process.state_dir(), _run):
        raise typer.Exit(1)


def main() -> None:
    """Run the command; every error that a person can act on becomes one clear sentence and an exit code."""
    try:
        app()
    except (UsageError, UnusableFileError) as error:
        console.error(str(error))
        sys.exit(2)
    except (ValidationError, SettingsError) as error:
        console.error(f"a setting in the environment or in infra/aws/stages.py cannot be used: {problems(error)}")
        sys.exit(2)
    except (
        FailedError,
        StepFailedError,
        process.EndpointError,
        toolchain.ToolchainError,
        BotoCoreError,
        ClientError,
    ) as error:
        console.error(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
