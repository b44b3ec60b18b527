"""The steps of the hourly run and the daily jobs, once, as plain data.

`infra.state_machine` turns them into Step Functions, the command runs them. Arguments are templates over the names in
`PARAMETERS`. `retries` is what a scheduler may do by itself; the command does not repeat a step, because the person at
it sees the message and every step is safe to run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from infra.settings import CitySettings

# Those of `parameters`, the name of the run, and the arrival hours of a range.
PARAMETERS = (
    *("run", "from_hour", "to_hour", "raw_bucket", "lake_bucket", "docs_bucket", "buffering_interval_s"),
    *("alert_warning", "alert_critical", "alert_clear"),
)
# It has Spark 3.5.6, Iceberg 1.10.0, Python 3.11 and Java 17, and reads `s3://` by Hadoop's S3A: the line of Spark, the
# Iceberg and the file system that the jobs are tested with. Glue 5.0 has Iceberg 1.7.1 and another file system
# ("Migrating AWS Glue for Spark jobs to AWS Glue version 5.1").
GLUE_VERSION = "5.1"
# Where the plan of a run lies in the lake bucket.
PLAN_KEY = "runs/plans/{}.json"
# Unit tests are about the code, not about the hours of a run: they belong to the tests.
DBT_COMMAND = (
    *("dbt", "build", "--project-dir", "dbt", "--profiles-dir", "dbt"),
    *("--exclude-resource-type", "unit_test"),
)


@dataclass(frozen=True)
class Step:
    """One step. `target` is a module of `glue_jobs`, the dbt command's verb, or `module:function` for Python.

    `per_range` steps run once for every contiguous range of arrival hours, the others once. `rows` is the name of the
    count, among those that the step returns, that says how much it did. A step that takes longer than `timeout_s` has
    failed where a scheduler runs it.
    """

    name: str
    kind: Literal["glue_job", "dbt", "python"]
    target: str
    description: str
    how_to_go_on: str
    arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    per_range: bool = False
    retries: int = 0
    rows: str = "rows"
    timeout_s: int = 3600


PLAN = Step(
    name="plan",
    kind="python",
    target="infra.runners.python_steps:plan",
    description="which arrival hours are to be curated, and whether hours of an earlier run are pending",
    how_to_go_on="Nothing was changed: mend the cause and run again.",
    retries=1,
    timeout_s=1800,
)

STEPS = (
    Step(
        name="curate",
        kind="glue_job",
        target="curate_readings",
        description="landed readings become curated, duplicate or rejected; audited on a branch, then published",
        how_to_go_on="The hours that were not curated are still to do: mend the cause and run again.",
        arguments=MappingProxyType(
            {
                "from": "{from_hour}",
                "to": "{to_hour}",
                "raw_bucket": "{raw_bucket}",
                "lake_bucket": "{lake_bucket}",
                "docs_bucket": "{docs_bucket}",
                "buffering_interval_s": "{buffering_interval_s}",
            }
        ),
        per_range=True,
        retries=1,
        rows="landed",
        timeout_s=2 * 3600,
    ),
    Step(
        name="roll up",
        kind="glue_job",
        target="rollup_5min",
        description="curated readings of the pending hours become 5-minute values per sensor",
        how_to_go_on="Readings are curated and their hours noted as pending: run again, it goes on with the roll-up.",
        arguments=MappingProxyType({"lake_bucket": "{lake_bucket}", "run": "{run}"}),
        retries=1,
        rows="intervals",
    ),
    Step(
        name="dbt build",
        kind="dbt",
        target="build",
        description="the pending hours of the congestion and reconciliation marts are computed and tested in Athena",
        how_to_go_on="The 5-minute values are written and their hours still pending: mend the model or the data that "
        "the message names and run again.",
        retries=1,
    ),
    Step(
        name="expectations",
        kind="python",
        target="infra.runners.python_steps:expectations",
        description="what the marts promise is checked on the rows that this run touched",
        how_to_go_on="The marts hold the figures that failed and the run is not marked as published: mend the cause "
        "and run again, the same hours are computed anew.",
        timeout_s=1800,
    ),
    Step(
        name="publish",
        kind="python",
        target="infra.runners.python_steps:publish",
        description="the alerts get the speeds and the usual figures of now; the hours of this run stop being pending",
        how_to_go_on="Everything is computed and checked: run again to finish.",
        retries=2,
        timeout_s=1800,
    ),
)

# Jobs that run once a day, each by itself: nothing of the hourly run waits for them.
DAILY = (
    Step(
        name="maintain tables",
        kind="glue_job",
        target="maintain_tables",
        description="small files are compacted, old snapshots expire",
        how_to_go_on="Tables stay as they are: mend the cause and start the job again, or leave it to the next day.",
        arguments=MappingProxyType({"lake_bucket": "{lake_bucket}"}),
    ),
    Step(
        name="congestion episodes",
        kind="glue_job",
        target="congestion_episodes",
        description="the episodes of congestion that started on the last two days",
        how_to_go_on="The table holds the episodes of before: mend the cause and start the job again.",
        arguments=MappingProxyType(
            {
                "lake_bucket": "{lake_bucket}",
                "warning": "{alert_warning}",
                "critical": "{alert_critical}",
                "clear": "{alert_clear}",
            }
        ),
    ),
)

# Every Glue job, by its module.
GLUE_JOBS = MappingProxyType({step.target: step for step in (*STEPS, *DAILY) if step.kind == "glue_job"})


def utc_text(hour: datetime) -> str:
    """Return a naive UTC time as steps take it and plans hold it, such as `2026-03-02T07:00:00Z`."""
    return f"{hour.isoformat()}Z"


def parameters(city: CitySettings) -> dict[str, str]:
    """Return the values of all parameters that are the city's."""
    return {
        "raw_bucket": city.raw_bucket,
        "lake_bucket": city.lake_bucket,
        "docs_bucket": city.docs_bucket,
        "buffering_interval_s": str(city.buffering_interval_s),
        "alert_warning": str(city.alert_warning),
        "alert_critical": str(city.alert_critical),
        "alert_clear": str(city.alert_clear),
    }
