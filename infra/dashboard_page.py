"""The dashboards' local page: built once, or served and built anew."""

import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from dashboards import spec
from dashboards.page import site
from infra import console, dashboard_data
from infra.errors import FailedError
from infra.home.environment import LOOPBACK
from ingestion.iceberg_catalog import open_catalog

REFRESH_S = 300


def build(folder: Path, refresh_s: int | None = None) -> Path:
    """Read the marts and write the page into a folder; return its entry page.

    Raises dashboard_data.NoMartsError, infra.athena.QueryError.
    """
    specs = spec.load()
    with console.counting("reading the marts", dashboard_data.steps(specs)) as advance:
        data = dashboard_data.read(specs, open_catalog(), advance, refresh_s)
    return site.write(folder, specs, data)


def serve(folder: Path, on_address: Callable[[str], None]) -> None:
    """Serve the page on loopback until it is interrupted, and build it anew every five minutes."""
    build(folder, REFRESH_S)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    ended = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    on_address(f"http://127.0.0.1:{server.server_port}/")
    try:
        while not ended.wait(REFRESH_S):
            try:
                build(folder, REFRESH_S)
            # The page of before stays, and the next time may succeed.
            except (FailedError, BotoCoreError, ClientError) as error:
                console.error(str(error))
    except KeyboardInterrupt:
        server.shutdown()


class _Handler(SimpleHTTPRequestHandler):
    """Files of the folder, to this machine under its own name: another site's name leads nowhere (DNS rebinding)."""

    def send_head(self) -> BinaryIO | None:
        """Begin the answer to GET and HEAD alike."""
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname in LOOPBACK:
            return super().send_head()
        self.send_error(403)
        return None

    def end_headers(self) -> None:
        """Keep browsers from showing an old page."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""
