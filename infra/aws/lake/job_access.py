"""Which tables each Glue job works on, in the words of the jobs themselves: its role may touch these and no others."""

from dataclasses import dataclass

from glue_jobs import congestion_episodes, curate_readings, maintain_tables, rollup_5min


@dataclass(frozen=True)
class Access:
    """Tables as `<database>.<table>`; whole `databases` where a job works on every table that it finds there.

    `alters` are those whose rows a job only reads, but which it makes where they are missing, widens or tags.
    """

    reads: tuple[str, ...] = ()
    alters: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()


ACCESS = {
    "curate_readings": Access(writes=curate_readings.TABLES),
    "rollup_5min": Access(reads=(rollup_5min.REGISTRY,), alters=rollup_5min.SOURCES, writes=(rollup_5min.SENSOR_5MIN,)),
    "congestion_episodes": Access(
        reads=(
            congestion_episodes.READINGS,
            congestion_episodes.SENSORS,
            congestion_episodes.SEGMENTS,
            congestion_episodes.FREE_FLOW,
            congestion_episodes.INTERVALS,
        ),
        writes=(congestion_episodes.EPISODES,),
    ),
    "maintain_tables": Access(databases=tuple(maintain_tables.DEFAULTS["databases"].split(","))),
}
