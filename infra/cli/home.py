"""What commands have in common: where they work, and how they get there."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from infra import console
from infra.errors import UsageError
from infra.home.environment import use_local_home
from infra.home.resources import create_resources
from infra.local import process, toolchain
from infra.settings import settings

if TYPE_CHECKING:
    from infra.aws.stages import Stage


class Home(StrEnum):
    """Where the product runs."""

    local = "local"
    aws = "aws"


class TableOrJson(StrEnum):
    """How a list is shown."""

    table = "table"
    json = "json"


HomeOption = Annotated[
    Home, typer.Option(help="Where to work: this machine, or the AWS account of your credentials (never by default).")
]


def check_home(home: Home) -> None:
    """Raise UsageError where the environment contradicts the home that is asked for."""
    city = settings()
    if home is Home.aws:
        if city.stage == "local":
            raise UsageError("--home aws needs the stage that you deployed: set TRAFFICLAKE_STAGE, such as prod.")
        if "AWS_ENDPOINT_URL" in os.environ:
            raise UsageError("--home aws would not reach AWS while AWS_ENDPOINT_URL is set: unset it.")
    elif city.stage != "local":
        raise UsageError(f"stage {city.stage} lives on AWS: unset TRAFFICLAKE_STAGE, or pass --home aws.")


def stage_named(name: str) -> Stage:
    """Return a stage of infra/aws/stages.py. Raises UsageError, with the names that there are, for another."""
    # Imported here: the sizing behind the stages takes a moment.
    from infra.aws.stages import STAGES  # noqa: PLC0415

    if name not in STAGES:
        raise UsageError(f"there is no stage {name}; infra/aws/stages.py has {', '.join(STAGES)}.")
    return STAGES[name]


def use_stage(name: str) -> None:
    """Give this process the settings and the region that `deploy` gave the stage's resources."""
    city = stage_named(name).city
    os.environ.update(city.environment(), AWS_REGION=city.region, AWS_DEFAULT_REGION=city.region)
    settings.cache_clear()


def enter(home: Home, *, quiet: bool = False) -> None:
    """Point this process at its home: a running local endpoint (started where none is), or the stage on AWS."""
    check_home(home)
    if home is Home.aws:
        use_stage(settings().stage)
        return
    folder = process.state_dir()
    endpoint = process.status(folder)
    if endpoint is None:
        fetch_tools()
        if not quiet:
            console.err.print("starting the local AWS endpoint …", style="dim")
        endpoint = process.ensure(folder)
    use_local_home(endpoint.url)
    create_resources()


def fetch_tools() -> None:
    """Fetch what the local endpoint runs on, with progress, where it is not there yet."""
    with console.fetching() as progress:
        toolchain.fetch_all(progress)


def utc_time(option: str, text: str) -> datetime:
    """Return a time as naive UTC; a time without zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:  # of the first or last day that there is, another zone may know none
        raise UsageError(f"{option} {text!r} is not a time such as 2026-03-02T07:00.") from error
