"""`trafficlake devices`."""

from pathlib import Path
from typing import Annotated

import typer

from infra import console
from infra.cli.home import Home, HomeOption, TableOrJson, check_home, enter
from infra.local import process
from infra.settings import settings

app = typer.Typer(no_args_is_help=True, help="Devices that send over MQTT, and their certificates.")


@app.command("provision")
def devices_provision(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="the sensor's ID: letters, digits, ':', '_' and '-'")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="where ca.pem, cert.pem and key.pem are written")],
    interval: Annotated[int, typer.Option(min=1, max=86400, help="seconds between its readings, for its shadow")] = 20,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="beside a certificate that is active, which stays so")
    ] = False,
    home: HomeOption = Home.local,
) -> None:
    """Make a certificate for a device; its private key is made here and goes nowhere else.

    Example: [bold]trafficlake devices provision sensor-17 --out certs/sensor-17[/bold]
    """
    check_home(home)
    from infra import devices  # noqa: PLC0415

    devices.check_device_id(device_id)
    enter(home)
    # Written by the local endpoint when it starts; on AWS they are public.
    local_authority = process.state_dir() / "mqtt" / "ca.pem"
    authorities = devices.amazon_roots() if home is Home.aws else local_authority.read_text()
    devices.provision(device_id, out, interval, authorities, settings(), rotate=rotate)
    console.raw(devices.next_step(device_id, out, *devices.mqtt_address()))


@app.command("list")
def devices_list(
    output: Annotated[TableOrJson, typer.Option(help="how to show them")] = TableOrJson.table,
    home: HomeOption = Home.local,
) -> None:
    """Show devices with the status of their newest certificate and when they last connected or left."""
    enter(home, quiet=output is not TableOrJson.table)
    from infra import devices  # noqa: PLC0415

    rows = devices.list_devices(settings())
    if output is TableOrJson.json:
        console.raw(devices.as_json(rows))
    else:
        console.out.print(console.table("", devices.COLUMNS, map(devices.as_cells, rows)))


@app.command("revoke")
def devices_revoke(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="the device whose certificates end")],
    keep_newest: Annotated[bool, typer.Option("--keep-newest", help="only those that a rotation has replaced")] = False,
    home: HomeOption = Home.local,
) -> None:
    """Revoke a device's certificates: it is disconnected within seconds and cannot connect again.

    To change a certificate without a gap: [bold]devices provision ID --rotate --out NEW[/bold], put the files on the
    device, see it connect, then [bold]devices revoke ID --keep-newest[/bold].
    """
    check_home(home)
    from infra import devices  # noqa: PLC0415

    devices.check_device_id(device_id)
    enter(home)
    active = devices.revoke(device_id, keep_newest=keep_newest)
    console.out.print(f"revoked {device_id}" if active else f"{device_id} had no active certificate")


@app.command("remove")
def devices_remove(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="the device that is no longer used")],
    home: HomeOption = Home.local,
) -> None:
    """Revoke and delete a device's certificates, and the device itself. Its readings stay.

    Example: [bold]trafficlake devices remove sensor-17[/bold]
    """
    check_home(home)
    from infra import devices  # noqa: PLC0415

    devices.check_device_id(device_id)
    enter(home)
    devices.remove(device_id)
    console.out.print(f"removed {device_id}")
