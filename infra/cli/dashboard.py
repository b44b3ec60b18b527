"""`trafficlake dashboard`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from infra import console
from infra.cli.home import Home, HomeOption, enter
from infra.errors import UsageError
from infra.local import process


def dashboard(
    out: Annotated[Path | None, typer.Option(help="folder to write to; by default of the local home's state")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="open it in the browser")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="serve it on this machine, built anew every 5 minutes")
    ] = False,
    home: HomeOption = Home.local,
) -> None:
    """Build the planners' dashboards as a page of files: no server, no network and no account needed to look at it.

    It holds the latest days of the marts and says which; open [bold]index.html[/bold] of the folder.

    Example: [bold]trafficlake dashboard --open[/bold]
    """
    folder = out or process.state_dir() / "dashboard"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is not a folder.")
    enter(home)
    from infra import dashboard_page  # noqa: PLC0415 — brings pandas and awswrangler

    if serve:
        dashboard_page.serve(folder, on_address=lambda address: _say(address, open_page))
        return
    entry = dashboard_page.build(folder)
    _say(str(entry.resolve()) if not open_page else entry.resolve().as_uri(), open_page)


def _say(address: str, open_page: bool) -> None:
    console.out.print(f"dashboard: {address}")
    if open_page:
        webbrowser.open(address)
