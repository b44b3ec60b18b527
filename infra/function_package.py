"""The deployment package of the alerts' functions: what they import, and nothing else.

Which modules that is, an interpreter tells that imports the functions. boto3 is left out: Lambda's runtime has it.
"""

import io
import json
import subprocess
import sys
import zipfile
from functools import cache
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path

from infra.alert_definitions import LIMITS

FUNCTIONS = tuple(LIMITS)
# `zoneinfo` reads it as data, so no import tells of it.
DATA_PACKAGES = ("tzdata",)
DATA_SUFFIXES = (".yaml",)
# Lambda's runtime has these, and the last two come along with an environment such as ours.
PROVIDED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3", "certifi", "_distutils_hack")
_ROOT = Path(__file__).parents[1]
_RECORDER = """
import json, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(f"ingestion.alerts.{name}_function")
from ingestion.alerts.metrics import emit
emit({"Imported": 1})
print(json.dumps({name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}))
"""


@cache
def build() -> bytes:
    """Return the package; equal files give equal bytes. Raises CalledProcessError if a function cannot be imported."""
    return pack(package_files())


def pack(files: dict[str, Path]) -> bytes:
    """Return a package of files, which are given by their names in it; equal files give equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            package.writestr(entry, files[name].read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


@cache
def source_digest() -> str:
    """Return a digest of our sources and of all locked packages: when it changes, so may the package."""
    digest = sha256()
    for path in sorted((_ROOT / "ingestion").rglob("*")):
        if path.suffix in (".py", *DATA_SUFFIXES):
            digest.update(path.read_bytes())
    digest.update((_ROOT / "requirements.txt").read_bytes())
    return digest.hexdigest()


def package_files() -> dict[str, Path]:
    """Return this interpreter's files by their names in the package."""
    files: dict[str, Path] = {}
    packaged = {"ingestion", *packages_distributions()} - set(PROVIDED)
    for name, origin in _imported().items():
        top, path = name.partition(".")[0], Path(origin)
        if top not in packaged:
            continue
        depth = name.count(".") + (path.stem == "__init__")
        root = path.parents[depth]
        files[path.relative_to(root).as_posix()] = path
        if top == "ingestion":
            data = (each for each in path.parent.iterdir() if each.suffix in DATA_SUFFIXES)
            files |= {each.relative_to(root).as_posix(): each for each in data}
    for name in DATA_PACKAGES:
        folder = Path(__import__(name).__file__).parent
        files |= {
            each.relative_to(folder.parent).as_posix(): each
            for each in folder.rglob("*")
            if each.is_file() and "__pycache__" not in each.parts
        }
    return files


def _imported() -> dict[str, str]:
    command = [sys.executable, "-c", _RECORDER, *FUNCTIONS]
    printed = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])
