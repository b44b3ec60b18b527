"""Run the endpoint in the foreground: `python -m infra.local --state-dir DIR [--port N] [--idle-s N] [--no-athena]`."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from infra.local import process, server


def main() -> int:
    """Serve until a signal comes, or until nobody has used the endpoint for its idle limit."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="folder of objects, catalog and logs")
    parser.add_argument("--port", type=int, help="0: any that is free; without it 4566, or any where that is in use")
    parser.add_argument("--idle-s", type=float, default=0, help="stop after so many seconds without a call (0: never)")
    parser.add_argument("--no-athena", action="store_true", help="leave out Athena and its engine")
    options = parser.parse_args()

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    folder = options.state_dir.resolve()
    try:
        listening = server.listen(options.port)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with process.running(folder, process.Endpoint(url, os.getpid(), not options.no_athena, options.idle_s)):
            running = server.start(folder, listening, with_athena=not options.no_athena)
            while not ended.wait(1.0) and running.is_serving():
                limit_s = process.idle_limit_s(folder)
                if limit_s and running.activity.end_if_idle(limit_s):
                    break
            running.activity.ending = True
            running.stop()
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
