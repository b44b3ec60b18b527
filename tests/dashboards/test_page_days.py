"""Days on the page: an unfinished one is compared with none."""

import hand_made_lake as hand_made
import pytest

pytestmark = pytest.mark.slow


def test_an_unfinished_day_is_not_compared_with_a_whole_one(window, tmp_path):
    lake = hand_made.lake()
    # The mart expects the samples of the whole day, of which the hand-made one ends at noon.
    lake.execute(
        "update marts.congestion_daily set samples_expected = 2 * samples_expected"
        f" where local_date = '{hand_made.LAST_DAY}'"
    )
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=corridors&from=2026-03-24&to=2026-03-27")
        text = opened.page.text_content("#visual-corridor_ranking tbody tr:has(th:text-is('south'))")
    now, before = lake.execute(
        """
        select sum(delay_veh_h) filter (local_date between '2026-03-24' and '2026-03-26'),
            sum(delay_veh_h) filter (local_date between '2026-03-17' and '2026-03-19')
        from marts.congestion_daily where corridor_id = 'south'
        """
    ).fetchone()
    assert text.endswith(f"{100 * (now / before - 1):+.0f} % (3)")
