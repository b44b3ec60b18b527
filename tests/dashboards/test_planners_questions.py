"""What a planner must be able to ask has a visual, and its figures are those of a query written by hand."""

import hand_made_lake as hand_made
import pytest

from dashboards import spec

COST = [
    {"delay", "delay_per_day"},
    {"vkt", "vkt_per_day"},
    {"travel_time_index"},
]
EVERY = {"zone": "zone_id", "corridor": "corridor_id", "hour of the day": "local_hour", "day": "local_date"}


@pytest.mark.parametrize("by", EVERY)
@pytest.mark.parametrize("figure", COST, ids=["delay", "vkt", "travel time index"])
def test_each_cost_is_shown_by(figure, by):
    (planning,) = (dashboard for dashboard in spec.load().dashboards if dashboard.name == "planning")
    assert [
        visual.id
        for visual in planning.visuals
        if set(visual.dimensions) - {visual.series} == {EVERY[by]} and figure & set(visual.measures)
    ]


@pytest.fixture(scope="module")
def lake():
    return hand_made.with_episodes(hand_made.lake())


@pytest.fixture(scope="module")
def entry(lake, tmp_path_factory):
    return hand_made.write_page(lake, tmp_path_factory.mktemp("page"))


@pytest.mark.slow
def test_kilometres_and_travel_time_by_hour_are_those_of_a_query(window, lake, entry):
    vkt, travel_time_index = (
        dict(
            lake.execute(
                f"select local_hour || ' ' || day_type, {sql} from marts.congestion_hourly group by 1"
            ).fetchall()
        )
        for sql in ("sum(vkt) / count(distinct local_date)", "sum(vht) / sum(vkt / free_flow_kmh)")
    )
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        for visual, measure, wanted in (
            ("vkt_by_hour", "vkt_per_day", vkt),
            ("index_by_hour", "travel_time_index", travel_time_index),
        ):
            found = {f"{row['local_hour']} {row['day_type']}": row[measure] for row in opened.rows(visual)}
            assert found == pytest.approx(wanted)


@pytest.mark.slow
def test_episodes_have_a_mean_duration_and_follow_the_corridor_control(window, entry):
    with window() as opened:
        # 30 and 60 minutes; the third has not ended.
        opened.go(entry, "#sheet=happening")
        assert opened.figure("episode_figures", "duration") == 45
        opened.go(entry, "#sheet=happening&corridor=south")
        assert opened.figure("episode_figures", "episodes") == 1
        assert opened.figure("episode_figures", "duration") == 60
        assert "Not filtered by: corridor" not in opened.page.text_content("#visual-episode_list .note")
        assert opened.problems == []
