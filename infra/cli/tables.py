"""`trafficlake tables`."""

from typing import Annotated

import typer

from infra import console
from infra.cli.home import Home, HomeOption, enter

app = typer.Typer(no_args_is_help=True, help="The snapshots of tables: look at them, go back to one.")

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="database.table, such as marts.congestion_daily")]


@app.command("snapshots")
def tables_snapshots(table: TableName, home: HomeOption = Home.local) -> None:
    """Show the snapshots that a table has, the newest first.

    Each can be queried: select … from TABLE for version as of SNAPSHOT.
    """
    enter(home, quiet=True)
    from infra import tables  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415

    rows = map(tables.cells, tables.snapshots(open_catalog(), table))
    console.out.print(console.table(table, tables.COLUMNS, rows))


@app.command("restore")
def tables_restore(
    table: TableName,
    snapshot: Annotated[int, typer.Option(metavar="ID", help="one that `tables snapshots` lists")],
    home: HomeOption = Home.local,
) -> None:
    """Make an older snapshot of a table the current one; no data is deleted, so this can be taken back the same way.

    Do it while no run is under way. What is computed from the table stays as it is until its hours are run again:
    [bold]trafficlake run --from T --to T[/bold].

    Example: [bold]trafficlake tables restore marts.congestion_daily --snapshot 5310972044867391104[/bold]
    """
    enter(home)
    from infra import tables  # noqa: PLC0415
    from ingestion.iceberg_catalog import open_catalog  # noqa: PLC0415

    done = tables.restore(open_catalog(), table, snapshot)
    console.out.print(f"{table} is at snapshot {snapshot}" + ("" if done else " already"))
