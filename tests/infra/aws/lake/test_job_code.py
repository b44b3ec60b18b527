"""What a job runs is complete: with nothing but what Glue has and what is sent along, it imports and audits."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from glue_jobs.spark_runtime import ICEBERG_VERSION
from infra.aws.lake import job_code
from infra.aws.lake.job_access import ACCESS
from infra.pipeline import GLUE_VERSION

WITH_SPARK = {"pyspark", "py4j"}
# Glue's documentation lists these too; nothing that is installed asks for them by itself.
WITH_BOTO3 = {"botocore", "s3transfer", "jmespath", "urllib3", "six"}
WITH_REQUESTS = {"certifi", "charset-normalizer", "idna"}
ON_GLUE = {*job_code.PROVIDED, *WITH_SPARK, *WITH_BOTO3, *WITH_REQUESTS, *job_code.missing_on_glue()}
# Runs a job's modules, an expectation and its page. What a machine has besides Glue's packages cannot be imported.
PROBE = """
import json, sys, tempfile
from datetime import UTC, datetime
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions
from pathlib import Path

site, archive, scripts, allowed = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), set(json.loads(sys.argv[4]))
sys.path[:0] = [archive]
sys.path.append(site)
provided = {
    top for top, found in packages_distributions().items()
    if {name.lower().replace("_", "-").replace(".", "-") for name in found} & allowed
}

class OnlyGlue(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        mine = any((Path(site) / each).exists() for each in (top, f"{top}.py"))
        if mine and top not in provided:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyGlue())
import runpy
for script in scripts:
    runpy.run_path(script, run_name="not main")
import pandas as pd
from quality.curated import validate
from quality.data_docs import build
from quality.suites import run_suite
from ingestion.contract.expectations import curated_expectations
not_null = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}}
result = run_suite("suite", [not_null], pd.DataFrame({"a": [1, None]}), "pandas")
page = build([result], Path(tempfile.mkdtemp()), datetime.now(UTC)).read_text()
ours = {name: module.__file__ for name, module in sys.modules.items()
        if name.partition(".")[0] in ("glue_jobs", "ingestion", "quality") and module.__file__}
print(json.dumps([len(curated_expectations()), result.success, len(page), ours]))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return job_code.write_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def requirements(tmp_path_factory):
    return job_code.write_requirements(tmp_path_factory.mktemp("requirements")).read_text()


def probe(packages, glue):
    scripts = [str(job_code.script(module)) for module in ACCESS]
    arguments = [sysconfig.get_path("purelib"), str(packages), json.dumps(scripts), json.dumps(sorted(glue))]
    # -S: without the file that puts this checkout on the path.
    command = [sys.executable, "-I", "-S", "-c", PROBE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_job_imports_and_audits_with_what_it_is_sent_and_glue_has(packages):
    done = probe(packages, ON_GLUE)
    assert done.returncode == 0, done.stderr[-3000:]
    expectations, success, page, modules = json.loads(done.stdout.splitlines()[-1])
    assert (expectations > 0, success, page > 0) == (True, False, True)
    assert all(file.startswith(f"{packages}/") for file in modules.values())
    assert "glue_jobs.episodes" in modules


def test_a_package_that_is_neither_sent_nor_there_is_missed(packages):
    assert "No module named 'yaml'" in probe(packages, ON_GLUE - {"pyyaml"}).stderr


def test_what_is_installed_has_the_version_of_the_tests_and_hashes(requirements):
    lines = [Requirement(line.rstrip("\\")) for line in requirements.splitlines() if not line.startswith(" ")]
    # Of some packages the lock has one version for each of several Pythons.
    pinned = [line for line in lines if line.marker is None or line.marker.evaluate()]
    assert {line.name for line in pinned} >= {"great-expectations", "pyyaml", "typing-extensions"}
    for line in pinned:
        assert str(line.specifier) == f"=={version(line.name)}"
    assert requirements.count("--hash=sha256:") >= len(lines)


def test_what_glue_has_in_a_version_that_will_do_is_left_to_it(requirements):
    installed = {line.split("==")[0] for line in requirements.splitlines() if not line.startswith(" ")}
    # Of what Glue has only typing-extensions is older than pydantic asks for.
    assert installed & set(job_code.PROVIDED) == {"typing-extensions"}


def test_the_packages_hold_the_contract_and_no_tests(packages):
    names = zipfile.ZipFile(packages).namelist()
    assert "ingestion/contract/readings.yaml" in names
    assert {name.partition("/")[0] for name in names} == {"glue_jobs", "ingestion", "quality"}


def test_equal_sources_give_equal_packages(packages, tmp_path):
    assert job_code.write_packages(tmp_path).read_bytes() == packages.read_bytes()


def test_the_jobs_run_on_the_iceberg_that_they_are_tested_with():
    # "Migrating AWS Glue for Spark jobs to AWS Glue version 5.1".
    assert {"5.0": "1.7.1", "5.1": "1.10.0"}[GLUE_VERSION] == ICEBERG_VERSION


def test_names_are_as_packages_are_compared():
    assert all(name == canonicalize_name(name) for name in (*job_code.PROVIDED, *job_code.missing_on_glue()))
