"""What a Glue job runs: its script, our packages, and the list of what pip installs before it starts."""

from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.aws.lock_file import locked
from infra.function_package import pack

SCRIPTS = Path(__file__).parents[3] / "glue_jobs"
PACKAGES = ("glue_jobs", "ingestion", "quality")
DATA_SUFFIXES = (".yaml", ".json")
# What the jobs import of others, besides Spark, boto3 and pandas, which Glue has.
IMPORTED = ("great-expectations", "pyyaml")
# Of the "Python modules already provided in AWS Glue" 5.1 ("Using Python libraries with AWS Glue") those that the jobs
# and the packages above build on.
PROVIDED = {
    "attrs": "25.4.0",
    "boto3": "1.40.61",
    "narwhals": "2.10.2",
    "numpy": "2.3.4",
    "packaging": "25.0",
    "pandas": "2.3.3",
    "pyarrow": "22.0.0",
    "pyparsing": "3.2.5",
    "python-dateutil": "2.9.0.post0",
    "requests": "2.32.5",
    "typing-extensions": "4.15.0",
}
_ENVIRONMENT = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "sys_platform": "linux",
    "os_name": "posix",
    "extra": "",
}


def script(module: str) -> Path:
    """Return the script of a job: its thin module, which finds all else in the packages."""
    return SCRIPTS / f"{module}.py"


def write_packages(folder: Path) -> Path:
    """Write our packages into a folder as one archive that Python imports from, and return its file.

    Equal sources give equal bytes.
    """
    root = SCRIPTS.parent
    files = {
        path.relative_to(root).as_posix(): path
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.suffix in (".py", *DATA_SUFFIXES)
    }
    archive = folder / "packages.zip"
    archive.write_bytes(pack(files))
    return archive


def write_requirements(folder: Path) -> Path:
    """Write what pip installs into a folder, pinned and with hashes as in the lock file, and return its file.

    pip takes nothing from anywhere else: with hashes, it refuses what is neither listed nor there already.
    """
    listed = folder / "requirements.txt"
    listed.write_text(locked(missing_on_glue()))
    return listed


def missing_on_glue() -> list[str]:
    """Return the distributions that the jobs need and Glue has not, or has in a version that will not do, sorted."""
    found: set[str] = set()
    waiting = list(IMPORTED)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _lacked_by(name)
    return sorted(found)


def _lacked_by(name: str) -> Iterator[str]:
    """Yield what a distribution asks for on Glue and is not provided there."""
    for requirement in map(Requirement, requires(name) or ()):
        if requirement.marker is not None and not requirement.marker.evaluate(_ENVIRONMENT):
            continue
        needed = canonicalize_name(requirement.name)
        if needed not in PROVIDED or not requirement.specifier.contains(PROVIDED[needed]):
            yield needed
