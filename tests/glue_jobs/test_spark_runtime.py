"""Spark 3.5 gets Java 17 wherever it comes from, and downloads lie outside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

from glue_jobs.spark_runtime import cache_dir, java_home, java_major


def _java(home: Path, version: str) -> dict[str, str]:
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / "java").touch()
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return {"JAVA_HOME": str(home)}


def test_a_java_of_another_version_is_passed_over(tmp_path):
    for version, major in (("21.0.2", 21), ("11.0.2", 11), ("1.8.0_402", 1)):
        environment = _java(tmp_path, version)
        assert java_major(tmp_path) == major
        assert java_major(java_home(environment)) == 17


def test_a_java_17_of_the_user_is_taken_when_it_is_whole(tmp_path):
    environment = _java(tmp_path, "17.0.2")
    assert java_home(environment) == tmp_path
    (tmp_path / "bin" / "java").unlink()
    assert java_home(environment) != tmp_path


def test_the_cache_lies_outside_the_checkout_by_default(monkeypatch):
    monkeypatch.delenv("TRAFFICLAKE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", os.sep + "xdg")
    assert cache_dir() == Path(os.sep, "xdg", "trafficlake")


def test_who_only_asks_for_the_cache_loads_no_spark():
    code = "import sys, infra.local.toolchain; print('pyspark' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
