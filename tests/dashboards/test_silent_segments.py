"""A segment or zone that sent nothing counts as unobserved wherever it is shown, and as nothing else."""

import hand_made_lake as hand_made
import pytest

from dashboards import formula, spec

# On that day nobody of the corridor south sent anything: S-1 of 180 samples an hour, and S-2 of 12, which is all that
# lies outside every zone. Of all segments 540 + 12 + 6 + 12 samples came of 768 an hour.
SILENT_DAY = "2026-03-20"


@pytest.fixture(scope="module")
def lake():
    connection = hand_made.with_episodes(hand_made.lake())
    for mart in ("congestion_hourly", "congestion_daily"):
        connection.execute(f"delete from marts.{mart} where corridor_id = 'south' and local_date = '{SILENT_DAY}'")
    return connection


def figures(lake, dataset, condition, *measures):
    declared = spec.load().datasets[dataset]
    asked = ", ".join(formula.to_sql(formula.parse(declared.measures[name].formula)) for name in measures)
    return lake.execute(f"select {asked} from {declared.mart} where {condition}").fetchone()


@pytest.mark.parametrize("dataset", ["segment_days", "segment_hours"])
def test_the_share_observed_of_a_zone_counts_silent_segments(lake, dataset):
    # Of harbor: N-3 half of 12 samples an hour, E-1 all of 12, S-1 nothing of 180.
    (share,) = figures(lake, dataset, f"zone_id = 'harbor' and local_date = '{SILENT_DAY}'", "observed_share")
    assert share == pytest.approx(100 * (6 + 12) / (12 + 12 + 180))


@pytest.mark.parametrize("dataset", ["segment_days", "segment_hours"])
def test_a_day_without_anything_is_expected_and_is_no_day_of_data(lake, dataset):
    week = "corridor_id = 'south' and local_date between date '2026-03-16' and date '2026-03-22'"
    delay, per_day, share = figures(lake, dataset, week, "delay", "delay_per_day", "observed_share")
    assert per_day == pytest.approx(delay / 6)
    assert share == pytest.approx(100 * 6 / 7)
    silent = f"corridor_id = 'south' and local_date = '{SILENT_DAY}'"
    assert figures(lake, dataset, silent, "delay", "delay_per_day") == (None, None)


def test_the_newest_hour_is_one_of_which_something_was_observed(lake):
    of_n2, of_all = (figures(lake, "segment_hours", which, "newest_hour") for which in ("segment_id = 'N-2'", "true"))
    assert [f"{newest:%H:%M}" for (newest,) in (of_n2, of_all)] == ["17:00", "18:00"]


@pytest.mark.slow
def test_the_page_shows_a_zone_that_was_silent_all_day_as_not_observed(window, lake, tmp_path):
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), f"#sheet=coverage&from={SILENT_DAY}&to={SILENT_DAY}")
        shares = [opened.figure("coverage_figures", name) for name in ("observed_share", "not_observed_share")]
        assert shares == pytest.approx([100 * 570 / 768, 100 * 198 / 768])
        by_zone = {row["zone_id"]: row["observed_share"] for row in opened.rows("observed_by_day")}
        assert by_zone == pytest.approx({"harbor": 100 * 18 / 204, "old-town": 100, "unassigned": 0})
        # N-1, N-2 and E-1 of six segments; N-1 was filled in for 1 of the 96 hours in which one of four sent something.
        names = ("reliable_share", "imputed_share", "assumed_share")
        assert [opened.figure("imputation_figures", name) for name in names] == pytest.approx([50, 100 / 96, 25])
        assert opened.problems == []


@pytest.mark.slow
def test_the_page_counts_days_and_shares_with_silent_segments_as_a_query_does(window, lake, tmp_path):
    entry = hand_made.write_page(lake, tmp_path)
    with window() as opened:
        opened.go(entry, "#sheet=cost&corridor=south&from=2026-03-16&to=2026-03-22")
        assert opened.figure("cost_figures", "days") == 6
        assert opened.figure("cost_figures", "observed_share") == pytest.approx(100 * 6 / 7)
        opened.go(entry, f"#sheet=cost&zone=harbor&from={SILENT_DAY}&to={SILENT_DAY}")
        assert opened.figure("cost_figures", "observed_share") == pytest.approx(100 * 18 / 204)
        assert opened.rows("delay_by_zone")[0]["observed_share"] == pytest.approx(100 * 18 / 204)
        assert opened.drawn("delay_by_zone")[0]["marker"]["pattern"]["shape"] == ["/"]
        # There are rows of expected samples, and nothing to draw.
        opened.go(entry, f"#sheet=cost&corridor=south&from={SILENT_DAY}&to={SILENT_DAY}")
        said = opened.page.text_content("#visual-delay_by_day .empty")
        assert said == "No figure: nothing usable was observed for these filters."
        # The slider stands at the day's last hour: what sent nothing then is said once, in words and as hollow marks.
        opened.go(entry, f"#sheet=now&from={SILENT_DAY}&to={SILENT_DAY}")
        note = opened.page.text_content("#visual-congestion_map .note")
        assert "2 of 6 segments sent nothing usable in this hour" in note
        assert sorted(row["segment_id"] for row in opened.rows("congestion_map")) == sorted(
            one.segment_id for one in hand_made.CITY
        )
        assert opened.problems == []
