"""The broker's process: `python -m infra.local.mqtt FD DIR`, a listening socket and the folder of its certificates.

It ends when its standard input does, which the kernel closes with the process that started it.
"""

import asyncio
import logging
import socket
import ssl
import sys
from pathlib import Path

from infra.local.mqtt.broker import DeviceBroker
from infra.local.mqtt.control import Control

DRAIN_LIMIT_S = 10


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return TLS 1.2 or newer with the certificates in `folder`, for clients that show one of its authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


async def serve(listening: socket.socket, folder: Path) -> None:
    """Serve until standard input ends; then store what was accepted."""
    broker = DeviceBroker(listening, tls_context(folder), Control())
    await broker.start()
    watching = asyncio.create_task(broker.watch())
    parent = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(parent), sys.stdin)
    await parent.read()
    watching.cancel()
    listening.close()
    await broker.drain(DRAIN_LIMIT_S)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # What it says of clients that leave or are cut is not news.
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2])))
