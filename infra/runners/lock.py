"""One run at a time, also against what a killed run left behind.

The lock belongs to an open file, not to a process: child processes that inherit the file keep it, so the dbt of a
killed run still holds it until it ends. Spark's JVM inherits no files; it takes a lock of its own on a second file,
which the next run waits for as well.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

POLL_S = 0.2


@contextmanager
def exclusive(path: Path, on_wait: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock file while the block runs and yield its descriptor, for children to inherit.

    Waits for another run, and for the engine of a killed one; `on_wait` is told once each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as run, _engine_file(path).open("a+") as engine:
        _take(lambda: fcntl.flock(run, fcntl.LOCK_EX | fcntl.LOCK_NB), on_wait, f"another run is at work{_by(run)}")
        # Record locks, unlike those of flock, are what Java takes. Nothing is held on: it is the JVM's to take next.
        _take(lambda: fcntl.lockf(engine, fcntl.LOCK_EX | fcntl.LOCK_NB), on_wait, "a killed run's engine still works")
        fcntl.lockf(engine, fcntl.LOCK_UN)
        run.truncate(0)
        run.write(str(os.getpid()))
        run.flush()
        yield run.fileno()


def hold_by_engine(spark: SparkSession, path: Path) -> Callable[[], None]:
    """Let the JVM of a session lock the engine's file until it ends, or until what is returned is called.

    A process that makes a second run keeps its JVM, and would wait for itself if the first did not let go.
    """
    jvm = spark.sparkContext._jvm
    channel = jvm.java.io.RandomAccessFile(str(_engine_file(path).resolve()), "rw").getChannel()
    channel.tryLock()
    return channel.close


def _engine_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.engine")


def _take(lock: Callable[[], None], on_wait: Callable[[str], None], reason: str) -> None:
    told = False
    while True:
        try:
            lock()
        except BlockingIOError:
            if not told:
                on_wait(f"{reason}; this one waits until it ends")
            told = True
            time.sleep(POLL_S)
        else:
            return


def _by(file: IO[str]) -> str:
    file.seek(0)
    process = file.read().strip()
    return f" (process {process})" if process else ""
