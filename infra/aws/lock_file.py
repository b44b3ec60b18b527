"""What the lock file pins, for what is installed on AWS: the versions of the tests, with the hashes of their wheels."""

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[2] / "requirements.txt"


def pins() -> dict[str, str]:
    """Return the lock file's lines by canonical name; of some packages it has several versions, for several Pythons."""
    pinned: dict[str, str] = {}
    for pin in re.finditer(r"^([\w.-]+)==.*(?:\n .*)*\n", LOCK.read_text(), re.MULTILINE):
        name = canonicalize_name(pin[1])
        pinned[name] = pinned.get(name, "") + pin[0]
    return pinned


def locked(names: Iterable[str]) -> str:
    """Return the lines of the lock file that pin these packages, with their hashes, sorted by name.

    Raises LookupError where one is not in there.
    """
    pinned, wanted = pins(), sorted(names)
    if missing := [name for name in wanted if name not in pinned]:
        raise LookupError(f"{', '.join(missing)} not in {LOCK.name}; `make lock` resolves it anew.")
    return "".join(pinned[name] for name in wanted)
