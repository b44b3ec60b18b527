"""`python -m ingestion.contract [--check]`: write the committed artefacts again, or say whether they are up to date."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ingestion.contract import dbt_sources, python_reading

ARTEFACTS: dict[str, Callable[[], str]] = {
    dbt_sources.PATH: dbt_sources.sources_yaml,
    python_reading.PATH: python_reading.module,
}


def stale(root: Path) -> list[str]:
    """Return the committed artefacts under the root of a checkout that differ from what the contract gives."""
    return [
        path
        for path, text in ARTEFACTS.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write stale artefacts, or with --check only name them. Returns 1 when --check finds one, otherwise 0."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.contract", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when an artefact is stale")
    parser.add_argument("--root", type=Path, default=Path(), help="root of the checkout (default: here)")
    options = parser.parse_args(arguments)
    found = stale(options.root)
    for path in found:
        if options.check:
            sys.stderr.write(f"{path} is not what the contract gives; run `python -m ingestion.contract`.\n")
            continue
        (options.root / path).parent.mkdir(parents=True, exist_ok=True)
        (options.root / path).write_text(ARTEFACTS[path](), encoding="utf-8")
        sys.stdout.write(f"{path} written\n")
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
