"""The trend of a ranking is the last whole days up to the chosen end against the same weekdays a week before."""

import hand_made_lake as hand_made
import pytest

pytestmark = pytest.mark.slow

CITY = (
    hand_made.Segment("F-1", "flat", "harbor", 0.0),
    hand_made.Segment("U-1", "up", "harbor", 0.0),
    hand_made.Segment("D-1", "doubtful", "harbor", 0.0, observed=0.5),
)


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """The page of a city with 100 veh·h a day for eleven weeks, and in one corridor 200 in the twelfth."""
    lake = hand_made.lake(CITY, days=12 * 7)
    lake.execute("update marts.congestion_daily set delay_veh_h = 100")
    lake.execute(
        "update marts.congestion_daily set delay_veh_h = 200 where corridor_id = 'up' and local_date >= '2026-03-20'"
    )
    # Half of the last day is over, and the samples of all of it are expected.
    lake.execute(
        "update marts.congestion_daily set delay_veh_h = 50, samples_expected = 2 * samples_expected"
        f" where local_date = '{hand_made.LAST_DAY}'"
    )
    # A day of which little was observed, and one that is missing.
    lake.execute(
        "update marts.congestion_daily set delay_veh_h = 1, samples_observed = 0.1 * samples_expected"
        " where corridor_id = 'flat' and local_date = '2026-03-24'"
    )
    lake.execute("delete from marts.congestion_daily where corridor_id = 'flat' and local_date = '2026-03-18'")
    return hand_made.write_page(lake, tmp_path_factory.mktemp("trend"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        # The 20th to the 26th at 200, the week before at 100, whatever was before.
        ("", {"up": "+100 % (7)", "flat": "0 % (5)", "doubtful": "no week to compare"}),
        # A chosen start that cuts off the week before changes nothing.
        ("&from=2026-03-24", {"up": "+100 % (7)", "flat": "0 % (5)"}),
        # Up to the 22nd three days of seven are of 200: (4 × 100 + 3 × 200) ÷ 700. The 18th has none.
        ("&to=2026-03-22", {"up": "+43 % (7)", "flat": "0 % (6)"}),
        # Without the holiday on Monday the 16th there is nothing to compare the 23rd with.
        ("&holidays=yes", {"up": "+100 % (6)", "flat": "0 % (4)"}),
    ],
)  # fmt: skip
def test_the_trend_is_of_the_last_whole_days_up_to_the_chosen_end(window, entry, state, said):
    with window() as opened:
        opened.go(entry, f"#sheet=corridors{state}")
        for corridor, trend in said.items():
            row = opened.page.text_content(f"#visual-corridor_ranking tbody tr:has(th:text-is('{corridor}'))")
            assert row.endswith(trend), corridor


@pytest.mark.parametrize(
    ("state", "days"),
    [("", "2026-03-20 to 2026-03-26"), ("&from=2026-03-10&to=2026-03-22", "2026-03-16 to 2026-03-22")],
)
def test_the_trend_says_which_days_it_compares(window, entry, state, days):
    with window() as opened:
        opened.go(entry, f"#sheet=corridors{state}")
        note = opened.page.text_content("#visual-corridor_ranking .note")
    assert f"Trend: mean delay per day from {days}, whatever the first chosen day is," in note
    assert "against the same weekdays a week before." in note
