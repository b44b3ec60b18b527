"""What the lock file pins, for what is installed on AWS: the versions of the tests, with the hashes of their wheels."""

import re
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.txt"


def locked(distribution: str) -> str:
    """Return the lines of the lock file that pin a distribution, with their hashes.

    Raises LookupError where it is not in there.
    """
    pinned = re.search(rf"^{re.escape(distribution)}==.*(\n .*)*", LOCK.read_text(), re.MULTILINE)
    if pinned is None:
        raise LookupError(f"{distribution} is not in {LOCK.name}; `make lock` resolves it anew.")
    return pinned[0]
