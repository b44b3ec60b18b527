"""Figures of several segments are those that metrics.md and the zone marts give, worked from 5-minute values."""

import duckdb
import pytest

from dashboards import formula, spec

# Of an hour: samples that 5 minutes let expect, and (congestion index, samples observed) of some of them. One segment
# has three lanes that report every 20 s, the other reports once in 5 minutes.
FIVE_MINUTES = {"lanes": (45, [(80.0, 45), (60.0, 30)]), "probe": (1, [(10.0, 1), (0.0, 1), (20.0, 1)])}


def figure(rows, measure, dataset="segment_hours"):
    """Return a measure of the dataset over rows, a list of {column: value}; columns that are left out are unknown."""
    tree = formula.parse(spec.load().datasets[dataset].measures[measure].formula)
    columns = sorted(formula.columns(tree))
    connection = duckdb.connect()
    connection.execute(f"create table cell ({', '.join(f'{column} double' for column in columns)})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"insert into cell values ({marks})", [[row.get(name) for name in columns] for row in rows])
    return connection.execute(f"select {formula.to_sql(tree)} from cell").fetchone()[0]


def weighted(values):
    """Return the mean of (value, weight)."""
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


@pytest.mark.parametrize("dataset", ["segment_hours", "segment_days"])
def test_the_index_of_a_zone_is_weighted_by_time_and_not_by_sensors(dataset):
    of_zone = weighted([(index, n / of) for of, values in FIVE_MINUTES.values() for index, n in values])
    # (80 + 60 × 2/3 + 10 + 0 + 20) ÷ (1 + 2/3 + 3); by samples it would be nearly 70.
    assert of_zone == pytest.approx(150 / (14 / 3))
    rows = [
        {
            "congestion_index_avg": weighted([(index, n / of) for index, n in values]),
            "samples_observed": sum(n for _, n in values),
            "samples_expected": 12 * of,
        }
        for of, values in FIVE_MINUTES.values()
    ]
    silent = {"samples_observed": 0, "samples_expected": 12 * 15}
    assert figure([*rows, silent], "congestion_index", dataset) == pytest.approx(of_zone, rel=1e-12)
