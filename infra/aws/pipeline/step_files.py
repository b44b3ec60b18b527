"""What a build of the steps' project works on: the modules that the steps import, dbt's project, and their packages.

Which modules that is, their code tells; which packages, the lock file and what each says that it requires.
"""

import shutil
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from modulefinder import ModuleFinder
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.aws.lock_file import locked, pins
from infra.pipeline import PLAN, STEPS

ROOT = Path(__file__).parents[3]
MODULES = ("infra.runners.step", *(step.target.split(":")[0] for step in (PLAN, *STEPS) if step.kind == "python"))
# Modules of these read files beside them.
DATA_PACKAGES, DATA_SUFFIXES = ("ingestion", "quality"), (".yaml", ".json")
DBT, NOT_SOURCE = "dbt", ("target", "logs", "dbt_packages", "__pycache__")
EXTRAS = ("lake", "dbt")
# What the settings are read with; the extra that names it holds the command too.
FURTHER = ("pydantic-settings",)
INSTALLER = "uv"


def write_step_files(folder: Path) -> Path:
    """Write the files into a folder that does not exist yet, and return it."""
    for path in (*_modules(), *_dbt_files()):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "requirements.txt").write_text(locked(_required()))
    (folder / "uv.txt").write_text(locked([INSTALLER]))
    return folder


def _modules() -> set[Path]:
    finder = ModuleFinder(path=[str(ROOT)])
    for module in MODULES:
        finder.import_hook(module)
    found = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    folders = {path.parent for path in found if path.relative_to(ROOT).parts[0] in DATA_PACKAGES}
    return found | {each for folder in folders for each in folder.iterdir() if each.suffix in DATA_SUFFIXES}


def _dbt_files() -> set[Path]:
    return {
        path
        for path in (ROOT / DBT).rglob("*")
        if path.is_file() and not set(path.relative_to(ROOT).parts) & set(NOT_SOURCE)
    }


def _required() -> set[str]:
    """Return the names of all packages that the extras need, on any platform that the lock file is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    further = [*project["dependencies"], *FURTHER]
    wanted = [Requirement(text) for extra in EXTRAS for text in project["optional-dependencies"][extra]]
    wanted += map(Requirement, further)
    pinned, seen = pins(), set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        if name not in pinned or (name, *requirement.extras) in seen:
            continue
        seen.add((name, *requirement.extras))
        try:
            of_it = map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # of another platform than this machine's: what it requires, the lock does not say
            continue
        wanted += [each for each in of_it if _is_asked_for(each, requirement.extras)]
    return {name for name, *_ in seen}


def _is_asked_for(requirement: Requirement, extras: Iterable[str]) -> bool:
    if requirement.marker is None or "extra" not in str(requirement.marker):
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
