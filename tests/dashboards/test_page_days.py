"""Days on the page: which are shown at first, what their type filters, and what an unfinished one is compared with."""

import hand_made_lake as hand_made
import pytest

pytestmark = pytest.mark.slow

LOCAL_DAY = f"cast(timezone('{hand_made.TIME_ZONE}', timezone('UTC', {{}})) as date)"


@pytest.fixture(scope="module")
def spread():
    """A city with an episode, arrivals and readings on a Saturday, Sunday and Monday, a holiday, and the days after."""
    lake = hand_made.with_episodes(hand_made.lake())
    # 02:00 UTC is the evening of the day before: the type is that of the local day.
    for day in range(14, 20):
        at = f"timestamp '2026-03-{day} 02:00:00'"
        lake.execute(
            "insert into marts.congestion_episodes values"
            f" ('S-2', 'harbor', 'WARNING', {at}, {at} + interval {day} minute, 85.0, 1.0)"
        )
        lake.execute(f"insert into marts.reconciliation_hourly values ({at}, {day}, {day}, 0, {day}, 0, 0, true)")
        lake.execute(f"insert into curated.readings values ('s', {at}, {at} + interval {day} minute, {at})")
    return lake


@pytest.fixture(scope="module")
def spread_entry(spread, tmp_path_factory):
    return hand_made.write_page(spread, tmp_path_factory.mktemp("spread"))


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        ("&day_type=weekend", "day_type = 'weekend'"),
        ("&day_type=holiday&day_type=weekend", "day_type in ('holiday', 'weekend')"),
        ("&holidays=yes", "day_type <> 'holiday'"),
        ("&from=2026-03-17&day_type=weekday", "day_type = 'weekday' and local_date >= '2026-03-17'"),
    ],
)  # fmt: skip
def test_the_day_type_filters_what_has_a_day_and_no_day_type(window, spread, spread_entry, state, condition):
    def wanted(figures: str, table: str, instant: str) -> tuple[float, ...]:
        day = LOCAL_DAY.format(instant)
        return spread.execute(
            f"select {figures} from {table} join marts.dim_date as days on days.local_date = {day} where {condition}"
        ).fetchone()

    with window() as opened:
        opened.go(spread_entry, f"#sheet=happening&days=all{state}")
        found = [opened.figure("episode_figures", name) for name in ("episodes", "duration")]
        minutes = "avg(epoch(cleared_at - started_at)) / 60"
        assert found == list(wanted(f"count(*), {minutes}", "marts.congestion_episodes", "started_at"))
        assert "Not filtered by" not in opened.page.text_content("#visual-episode_list .note")
        opened.sheet("arrival")
        assert (
            opened.figure("reconciliation_figures", "landed")
            == wanted("sum(landed)", "marts.reconciliation_hourly", "arrival_hour")[0]
        )
        assert opened.figure("feed_figures", "readings") == wanted("count(*)", "curated.readings", "arrival_hour")[0]
        assert "Not filtered by: zone, corridor." in opened.page.text_content("#visual-feed_delay .note")


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


def chosen(opened) -> tuple[str, str]:
    return opened.page.input_value("#control-from"), opened.page.input_value("#control-to")


def test_now_opens_on_the_latest_two_days_and_costs_on_all(window, lake, entry):
    def delay(condition: str) -> float:
        return lake.execute(f"select sum(delay_veh_h) from marts.congestion_hourly where {condition}").fetchone()[0]

    latest_two = pytest.approx(delay("local_date >= '2026-03-26'"))
    with window() as opened:
        opened.go(entry)
        assert opened.figure("now_figures", "delay") == latest_two
        assert chosen(opened) == ("2026-03-26", "2026-03-27")
        opened.sheet("cost")
        assert opened.figure("cost_figures", "delay") == pytest.approx(delay("true"))
        assert chosen(opened) == ("2026-03-06", "2026-03-27")
        opened.sheet("now")
        assert chosen(opened) == ("2026-03-26", "2026-03-27")
        opened.page.click("text=all days")
        assert opened.figure("now_figures", "delay") == pytest.approx(delay("true"))
        opened.page.reload()
        assert opened.figure("now_figures", "delay") == pytest.approx(delay("true"))
        opened.page.click("text=day before")
        assert chosen(opened) == ("2026-03-26", "2026-03-26")
        assert opened.figure("now_figures", "delay") == pytest.approx(delay("local_date = '2026-03-26'"))
        opened.page.click("#clear")
        assert opened.figure("now_figures", "delay") == latest_two
        opened.page.fill("#control-from", "2026-03-24")
        assert opened.figure("now_figures", "delay") == pytest.approx(delay("local_date >= '2026-03-24'"))
        assert opened.problems == []


def test_lines_end_where_an_hour_or_a_day_is_missing(window, tmp_path):
    lake = hand_made.lake()
    lake.execute("delete from curated.readings where arrival_hour = '2026-03-26 10:00:00'")  # 03:00 local time
    # 01:00 and 03:00 of the day on which the clocks went forward are neighbours.
    for hour in (9, 10):
        at = f"timestamp '2026-03-08 {hour}:00:00'"
        lake.execute(f"insert into curated.readings values ('s', {at}, {at} + interval 1 minute, {at})")
    lake.execute("delete from marts.congestion_daily where local_date = '2026-03-18'")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=arrival")
        hours = opened.drawn("feed_delay")[0]
        opened.sheet("cost")
        days, week_earlier = opened.drawn("delay_by_day")[:2]
    assert hours["x"][:4] == ["2026-03-08 01:00:00", "2026-03-08 03:00:00", None, "2026-03-25 01:00:00"]
    missing = hours["x"].index(None, 3)
    assert hours["x"][missing - 1 : missing + 2] == ["2026-03-26 02:00:00", None, "2026-03-26 04:00:00"]
    assert [at for at, value in enumerate(hours["y"]) if value is None] == [2, missing]
    # A day in which nobody sent anything has a place and no figure; so has the day a week later, where it is drawn.
    for line, day in ((days, "2026-03-18"), (week_earlier, "2026-03-25")):
        assert None not in line["x"]
        assert [at for at, value in zip(line["x"], line["y"], strict=True) if value is None] == [day]
