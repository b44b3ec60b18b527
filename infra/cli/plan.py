"""`trafficlake plan`."""

import json
import re
from typing import Annotated

import typer

from infra import console
from infra.cli.home import TableOrJson
from infra.errors import UsageError

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}


def plan(
    sensors: Annotated[str, typer.Option(metavar="N", help="how many sensors the city has")],
    interval: Annotated[str, typer.Option(metavar="TIME", help="between two readings of a sensor: 20s, 1m, 300")],
    output: Annotated[TableOrJson, typer.Option(help="how to show it")] = TableOrJson.table,
) -> None:
    """Show what a city would need on AWS and cost a day, line by line, beside a naive design. Needs no account.

    Sizes are measured on this product's readings, processor times on a laptop, the rest is estimated and says so;
    prices are from a dated table. The naive design puts every reading into DynamoDB and scans raw JSON.

    Example: [bold]trafficlake plan --sensors 50000 --interval 20s[/bold]
    """
    from infra.sizing import report  # noqa: PLC0415 — brings boto3
    from infra.sizing.plan import as_document, make_plan  # noqa: PLC0415
    from infra.sizing.prices import load  # noqa: PLC0415
    from infra.sizing.resources import City  # noqa: PLC0415

    count, between_s = sensor_count(sensors), interval_s(interval)
    try:
        city = City(sensors=count, interval_s=between_s)
    except ValueError as error:
        raise UsageError(f"{error}.") from error
    table = load()
    made = make_plan(city, table)
    if output is TableOrJson.json:
        console.raw(json.dumps(as_document(made, table), indent=2))
    else:
        report.show(made, table)


def sensor_count(text: str) -> int:
    """Return a number of sensors. Raises UsageError for anything but a whole number."""
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise UsageError(f"--sensors {text!r} is not a whole number such as 50000.")
    return int(text)


def interval_s(text: str) -> int:
    """Return a time in seconds: whole seconds, minutes or hours. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,6})(s|m|h|)", text, re.ASCII)
    if not found:
        raise UsageError(f"--interval {text!r} is not a time such as 20s, 1m or 300 (seconds).")
    return int(found[1]) * _UNITS_S[found[2]]
