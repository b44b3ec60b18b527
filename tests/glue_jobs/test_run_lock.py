"""The lock of a run and the engine that outlives it: beside the jobs' tests, because it needs their Spark session."""

from pathlib import Path

import pytest

from infra.runners import lock


def test_the_engine_of_a_run_holds_up_the_next_until_the_run_lets_go(spark, tmp_path: Path):
    file = tmp_path / "run.lock"
    with lock.exclusive(file, pytest.fail):
        release = lock.hold_by_engine(spark, file)

    with pytest.raises(pytest.fail.Exception, match="engine still works"), lock.exclusive(file, pytest.fail):
        pass
    release()
    with lock.exclusive(file, pytest.fail):
        pass
