"""`python -m ingestion.simulator`: write a simulated city's readings, and its registry, to files."""

import argparse
import gzip
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ingestion.simulator import DEMO_SENSORS, city, readings, registry_csv


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ingestion.simulator",
        description="Write the readings that a simulated city's sensors deliver in a time range, as JSON lines.",
        epilog="example: --sensors 160 --seed 1 --from 2026-03-02 --to 2026-03-10 --out history.jsonl.gz",
    )
    parser.add_argument("--sensors", type=int, default=DEMO_SENSORS, help="how many sensors (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another city (default %(default)s)")
    parser.add_argument("--interval", type=int, default=60, help="seconds between readings (default %(default)s)")
    parser.add_argument("--from", dest="start", type=_instant, required=True, help="first arrival, UTC without zone")
    parser.add_argument("--to", dest="end", type=_instant, required=True, help="end of the arrivals, exclusive")
    parser.add_argument("--out", default="-", help="file, gzip where it ends in .gz, or - for standard output")
    parser.add_argument("--registry", type=Path, help="write the registry CSV to this file")
    parser.add_argument("--without-received-at", action="store_true", help="leave out the gateway's time of arrival")
    return parser.parse_args(argv)


def _open(out: str) -> BinaryIO:
    if out.endswith(".gz"):
        # No name and no time in the header, so that the file too is the same for the same seed.
        return gzip.GzipFile(filename="", fileobj=Path(out).open("wb"), mode="wb", compresslevel=3, mtime=0)
    return Path(out).open("wb")


def main(argv: list[str] | None = None) -> None:
    """Write what the arguments ask for; exits with 2 and one sentence where they cannot be used."""
    arguments = _arguments(argv)
    try:
        place = city(arguments.sensors, arguments.seed, interval_s=arguments.interval)
        if arguments.registry:
            arguments.registry.write_text(registry_csv(place), encoding="utf-8", newline="")
        target = nullcontext(sys.stdout.buffer) if arguments.out == "-" else _open(arguments.out)
        with target as out:
            documents = readings(place, arguments.start, arguments.end, received_at=not arguments.without_received_at)
            for document in documents:
                out.write(document + b"\n")
    except (ValueError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        raise SystemExit(2) from problem


if __name__ == "__main__":
    main()
