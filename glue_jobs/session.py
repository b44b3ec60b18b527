"""The one Spark session factory: the same catalog and paths on Glue and at home.

Glue brings Java, Spark and the jars; elsewhere they come from wheels and from what `glue_jobs.spark_runtime` names.
Only an `AWS_ENDPOINT_URL` in the environment points Spark at another endpoint than AWS.
"""

import hashlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from glue_jobs.spark_runtime import EXCLUDES, PACKAGES, SparkStartError, ivy_dir, java_home, memory_mb

CATALOG = "glue"

# Answers depend on these, so they are the same everywhere.
SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    f"spark.sql.catalog.{CATALOG}": "org.apache.iceberg.spark.SparkCatalog",
    f"spark.sql.catalog.{CATALOG}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
    f"spark.sql.catalog.{CATALOG}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    # Other programs write these tables too: a table is read as it is now, not as this session knew it.
    f"spark.sql.catalog.{CATALOG}.cache-enabled": "false",
    # A group limit before the shuffle sorts everything once more to find the few duplicates that there are.
    "spark.sql.optimizer.windowGroupLimitThreshold": "-1",
}
# Java interprets methods over 8,000 bytes for ever, and Spark makes one of all the rules on a reading.
COMPILES_ALL = "-XX:-DontCompileHugeMethods"
LAPTOP = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": f"{memory_mb(parts=4, at_least=2048, at_most=8192)}m",
    "spark.driver.extraJavaOptions": (
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')} {COMPILES_ALL}"
    ),
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.default.parallelism": "4",
    # A week of hours is a few hundred small objects: listing them in a Spark job of its own takes longer.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
    # s3:// is the scheme of paths on Glue; here Hadoop's own S3 client serves it.
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
}


def spark_session(
    app_name: str, lake_bucket: str, *, master: str = "local[*]", settings: dict[str, str] | None = None
) -> SparkSession:
    """Return the session of a job, started if there is none; Iceberg tables are `glue.<database>.<table>`.

    `master` and what `settings` add hold only outside Glue. Raises SparkStartError.
    """
    builder = SparkSession.builder.appName(app_name)
    for key, value in session_settings(lake_bucket, os.environ).items():
        builder = builder.config(key, value)
    if on_glue():
        return builder.getOrCreate()
    os.environ["JAVA_HOME"] = str(java_home(os.environ))
    # Python that Spark runs beside itself finds the packages of this one, whichever `python3` comes first elsewhere.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Spark names itself after an address, and warns when it has to guess one.
    os.environ["SPARK_LOCAL_IP"] = LAPTOP["spark.driver.host"]
    for key, value in (LAPTOP | _jar_settings() | (settings or {})).items():
        builder = builder.config(key, value)
    try:
        spark = builder.master(master).getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise SparkStartError(
            f"Spark did not start: {error}. If its jars could not be fetched, check that the package registry of Maven "
            f"artifacts is reachable and run this again; what is complete is kept in {ivy_dir()}."
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    _remember_jars(spark)
    return spark


def session_settings(lake_bucket: str, environment: dict[str, str] | os._Environ[str]) -> dict[str, str]:
    """Return the settings that hold on Glue too, and the endpoint's when `environment` names one."""
    settings = SEMANTICS | {f"spark.sql.catalog.{CATALOG}.warehouse": f"s3://{lake_bucket}/"}
    endpoint = environment.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return settings
    catalog = f"spark.sql.catalog.{CATALOG}"
    return settings | {
        f"{catalog}.glue.endpoint": endpoint,
        f"{catalog}.s3.endpoint": endpoint,
        f"{catalog}.s3.path-style-access": "true",
        f"{catalog}.client.region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "us-east-1"),
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
        "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "spark.hadoop.fs.s3a.change.detection.mode": "none",
    }


def glue_settings(lake_bucket: str) -> dict[str, str]:
    """Return what Glue has to know before it starts Spark: the session's settings, and those of its Java processes."""
    java = dict.fromkeys(("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions"), COMPILES_ALL)
    return session_settings(lake_bucket, {}) | java


def on_glue() -> bool:
    """Tell whether this process is a Glue job: only there is `awsglue` installed."""
    return find_spec("awsglue") is not None


def _jar_settings() -> dict[str, str]:
    """Name the jars that a former start resolved; resolving them again takes seconds."""
    record = _jar_record()
    jars = record.read_text().split() if record.exists() else []
    if jars and all(Path(jar).exists() for jar in jars):
        return {"spark.jars": ",".join(jars)}
    return {
        "spark.jars.packages": ",".join(PACKAGES),
        "spark.jars.excludes": ",".join(EXCLUDES),
        "spark.jars.ivy": str(ivy_dir()),
    }


def _remember_jars(spark: SparkSession) -> None:
    if not _jar_record().exists():
        jars = spark.sparkContext.getConf().get("spark.jars", "").split(",")
        unfinished = _jar_record().with_suffix(f".{os.getpid()}")
        unfinished.write_text("\n".join(jar.removeprefix("file://") for jar in jars))
        unfinished.replace(_jar_record())


def _jar_record() -> Path:
    version = hashlib.sha256("\n".join(PACKAGES + EXCLUDES).encode()).hexdigest()[:12]
    return ivy_dir() / f"resolved-{version}.txt"
