"""The functions' code on AWS: the package that they have at home, with the modules compiled for Lambda's platform."""

import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from infra import alert_definitions as definitions
from infra import function_package
from infra.aws.lock_file import locked

# In the words of uv. Lambda's own Linux is newer, so it runs them.
PLATFORM = "x86_64-manylinux2014"
PYTHON = definitions.RUNTIME.removeprefix("python")
COMPILED = (".so", ".pyd")


def write_package(folder: Path) -> Path:
    """Write the package of all functions into a folder, and return its file.

    Raises CalledProcessError when a function cannot be imported, or a wheel of Lambda's platform cannot be fetched.
    """
    package = folder / "functions.zip"
    package.write_bytes(function_package.pack(_files(folder)))
    return package


def _files(folder: Path) -> dict[str, Path]:
    files = function_package.package_files()
    if is_platform_of_lambda():
        return files
    compiled = {name for name in files if name.endswith(COMPILED)}
    others = {name: path for name, path in files.items() if name not in compiled}
    return others | fetch_compiled({name.partition("/")[0] for name in compiled}, folder / "wheels")


def is_platform_of_lambda() -> bool:
    """Tell whether compiled modules of this interpreter run on Lambda."""
    machine = (platform.system(), platform.machine(), platform.libc_ver()[0])
    return machine == ("Linux", "x86_64", "glibc") and f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON


def fetch_compiled(packages: Iterable[str], folder: Path) -> dict[str, Path]:
    """Return the compiled modules of import packages for Lambda, by their names; the wheels are put into a folder.

    The versions are those of the lock file, whose hashes they must have. Raises CalledProcessError when one cannot
    be fetched.
    """
    distributions = {name.lower() for package in packages for name in packages_distributions()[package]}
    folder.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(locked(distributions))
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--python-platform", PLATFORM, "--python-version", PYTHON]
    subprocess.run([*command, "--target", folder, "-r", requirements], check=True)
    compiled = (path for path in folder.rglob("*") if path.suffix in COMPILED)
    return {path.relative_to(folder).as_posix(): path for path in compiled}
