"""Figures of several segments are those that metrics.md and the zone marts give, worked from 5-minute values."""

import duckdb
import hand_made_lake as hand_made
import pytest

from dashboards import formula, spec

# Of an hour: samples that 5 minutes let expect, and (congestion index, samples observed) of some of them. One segment
# has three lanes that report every 20 s, the other reports once in 5 minutes.
FIVE_MINUTES = {"lanes": (45, [(80.0, 45), (60.0, 30)]), "probe": (1, [(10.0, 1), (0.0, 1), (20.0, 1)])}


def figure(rows, measure, dataset="segment_hours"):
    """Return a measure of the dataset over rows, a list of {column: value}; columns that are left out are unknown."""
    declared = spec.load().datasets[dataset]
    tree = formula.parse(declared.measures[measure].formula)
    columns = sorted(formula.columns(tree))
    types = ["varchar" if declared.all_columns[name].type == "text" else "double" for name in columns]
    connection = duckdb.connect()
    connection.execute(f"create table cell ({', '.join(map(' '.join, zip(columns, types, strict=True)))})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"insert into cell values ({marks})", [[row.get(name) for name in columns] for row in rows])
    return connection.execute(f"select {formula.to_sql(tree)} from cell").fetchone()[0]


def weighted(values):
    """Return the mean of (value, weight)."""
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def test_the_index_of_a_zone_is_weighted_by_time_and_not_by_sensors():
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
    assert figure([*rows, silent], "congestion_index") == pytest.approx(of_zone, rel=1e-12)


WHOLE = {"samples_observed": 12.0, "samples_expected": 12.0}
SILENT = {"samples_observed": 0.0, "samples_expected": 12.0}
# Segments of which speed alone is known, with their free-flow speeds 90 and 60 km/h.
SPEEDS_ALONE = [
    {"length_km": 1.0, "speed_kmh": 60.0, "travel_time_index": 1.5, **WHOLE},
    {"length_km": 3.0, "speed_kmh": 30.0, "travel_time_index": 2.0, **WHOLE},
]


@pytest.mark.parametrize("dataset", ["segment_hours", "segment_days"])
def test_a_city_of_speeds_alone_has_speed_and_travel_time_over_lengths(dataset):
    hours = 1 / 60 + 3 / 30
    silent = {"length_km": 5.0, **SILENT}
    assert figure([*SPEEDS_ALONE, silent], "speed", dataset) == pytest.approx(4 / hours)
    assert figure([*SPEEDS_ALONE, silent], "travel_time_index", dataset) == pytest.approx(hours / (1 / 90 + 3 / 60))
    assert figure(SPEEDS_ALONE, "delay", dataset) is None


@pytest.mark.parametrize("dataset", ["segment_hours", "segment_days"])
def test_speeds_alone_count_by_the_time_that_was_observed(dataset):
    # 12 of 12 intervals at 100 km/h in free flow, 8 of 12 at 20 km/h where 40 is free flow.
    rows = [
        {"length_km": 1.0, "speed_kmh": 100.0, "travel_time_index": 1.0, **WHOLE},
        {"length_km": 1.0, "speed_kmh": 20.0, "travel_time_index": 2.0, **WHOLE, "samples_observed": 8.0},
    ]
    assert figure(rows, "speed", dataset) == pytest.approx((12 + 8) / (12 / 100 + 8 / 20))
    assert figure(rows, "travel_time_index", dataset) == pytest.approx((12 / 100 + 8 / 20) / (12 / 100 + 8 / 40))


def test_silent_hours_are_not_reliable_and_hold_no_volume_that_was_filled_in():
    heard = {**WHOLE, "imputation": "none", "volume_basis": "observed"}
    rows = [
        *[heard] * 2,
        {**heard, "imputation": "lane"},
        {**heard, "volume_basis": "mixed"},
        {**heard, "volume_basis": None},
        *[SILENT] * 5,
    ]
    shares = ("reliable_share", "observed_share", "imputed_share", "assumed_share")
    assert [figure(rows, share) for share in shares] == pytest.approx([50, 50, 100 / 5, 100 / 4])


def test_what_could_not_be_converted_counts_among_the_rejected():
    # 1,000 rows landed, and 500 documents more came and could not be converted.
    hour = {"landed": 1000.0, "rejected": 10.0, "conversion_errors": 500.0}
    assert figure([hour], "rejected_share", "reconciliation") == pytest.approx(100 * 510 / 1500)


@pytest.mark.parametrize("dataset", ["segment_hours", "segment_days"])
def test_where_volumes_are_known_speed_and_travel_time_are_weighted_by_them(dataset):
    # 60 vkt in 2 h at a free flow of 60 km/h, 200 vkt in 2.5 h at 100 km/h.
    counted = [
        {"length_km": 9.0, "speed_kmh": 30.0, "travel_time_index": 2.0, "vht": 2.0},
        {"length_km": 1.0, "speed_kmh": 80.0, "travel_time_index": 1.25, "vht": 2.5},
    ]
    assert figure([*counted, *SPEEDS_ALONE], "speed", dataset) == pytest.approx(260 / 4.5)
    assert figure([*counted, *SPEEDS_ALONE], "travel_time_index", dataset) == pytest.approx(4.5 / (1 + 2))


@pytest.mark.slow
def test_the_page_shows_speed_and_travel_time_of_a_city_of_speeds_alone(window, tmp_path):
    lake = hand_made.with_episodes(hand_made.lake(days=2))
    for mart in ("congestion_hourly", "congestion_daily"):
        lake.execute(f"update marts.{mart} set volume_veh = null, vkt = null, vht = null, delay_veh_h = null")
    speed, travel_time_index = lake.execute(
        """
        select sum(km) / sum(km / speed_kmh), sum(km / speed_kmh) / sum(km / (speed_kmh * travel_time_index))
        from (
            select speed_kmh, travel_time_index, length_km * samples_observed / samples_expected as km
            from marts.congestion_daily join marts.dim_segment using (segment_id)
        ) as weighted
        """
    ).fetchone()
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=cost")
        assert opened.figure("cost_figures", "speed") == pytest.approx(speed)
        assert opened.figure("cost_figures", "travel_time_index") == pytest.approx(travel_time_index)
