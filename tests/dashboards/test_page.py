"""The page in a browser: it shows what the marts hold, filters as a query would, and everyone can use it."""

import dataclasses
import json
import re
from datetime import date
from pathlib import Path

import hand_made_lake as hand_made
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

from dashboards import spec
from dashboards.page import site

# A browser and a page for each take more than a minute together.
pytestmark = pytest.mark.slow

SHEETS = ("now", "happening", "cost", "corridors", "coverage", "arrival")
# Output of a test run, to look at; not kept.
PICTURES = Path(__file__).parents[2] / "build" / "dashboards"


def one(lake, sql: str) -> float:
    return lake.execute(sql).fetchone()[0]


def shown_by_id() -> dict[str, spec.Visual]:
    return {visual.id: visual for dashboard in spec.load().dashboards for visual in dashboard.visuals}


@pytest.mark.parametrize("width", [390, 1280])
def test_every_sheet_opens_without_errors_or_network_and_fits_the_width(window, entry, width):
    PICTURES.mkdir(parents=True, exist_ok=True)
    with window(width=width) as opened:
        opened.go(entry)
        for sheet in SHEETS:
            opened.sheet(sheet)
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            opened.page.screenshot(path=PICTURES / f"{sheet}-{width}.png", full_page=True)
        assert opened.problems == []
        assert {url.split(":")[0] for url in opened.requests} <= {"file", "data"}
        assert {Path(url).parent.name for url in opened.requests if url.startswith("file")} == {entry.parent.name}


def test_every_visual_has_data_and_a_text_that_says_what_it_shows(window, entry):
    with window() as opened:
        opened.go(entry)
        seen = set()
        for sheet in SHEETS:
            opened.sheet(sheet)
            for name in opened.page.evaluate("trafficlakePage.shown().map((one) => one.visual.id)"):
                seen.add(name)
                if name == "alerts_now":  # of the alerts' own table, which this city has not
                    continue
                assert opened.rows(name), name
                visual = shown_by_id()[name]
                known = [row for row in opened.rows(name) if row[visual.measures[0]] == row[visual.measures[0]]]
                assert known, name
                box = opened.page.locator(f"#visual-{name}")
                assert box.locator(".empty").is_hidden()
                if visual.kind in ("map", "heat_map", "line", "bar"):
                    said = box.locator(".picture").get_attribute("aria-label")
                    assert said.startswith(visual.title)
                    assert not re.search(r"[{}]|undefined|NaN", said)
                    assert box.locator(".picture svg").count()
                if visual.kind != "kpi":
                    assert visual.title in box.locator(".summary").text_content()
        assert seen == set(shown_by_id())


FILTERS = {
    "": "true",
    "&zone=old-town": "zone_id = 'old-town'",
    "&zone=unassigned": "zone_id is null",
    "&corridor=north&corridor=south": "corridor_id in ('north', 'south')",
    "&day_type=weekend": "day_type = 'weekend'",
    "&holidays=yes": "day_type <> 'holiday'",
    "&from=2026-03-10&to=2026-03-19": "local_date between date '2026-03-10' and date '2026-03-19'",
    "&from=2026-03-12&zone=harbor&corridor=north&day_type=weekday": (
        "local_date >= date '2026-03-12' and zone_id = 'harbor' and corridor_id = 'north' and day_type = 'weekday'"
    ),
}


def test_figures_of_a_filter_are_those_of_a_query_with_the_same_filter(window, lake, entry):
    with window() as opened:
        for state, condition in FILTERS.items():
            # Written by hand, by metrics.md, and not from the spec's formulas.
            wanted = lake.execute(
                f"""
                select sum(delay_veh_h) as delay, sum(delay_veh_h) / count(distinct local_date) as delay_per_day,
                    sum(vkt) as vkt, sum(vht) as vht, sum(vht) / sum(vkt / free_flow_kmh) as travel_time_index,
                    sum(vkt) / sum(vht) as speed, count(distinct local_date) as days,
                    100 * sum(samples_observed) / sum(samples_expected) as observed_share
                from marts.congestion_hourly where {condition}
                """
            ).df()
            opened.go(entry, f"#sheet=cost{state}")
            found = {measure: opened.figure("cost_figures", measure) for measure in wanted.columns}
            assert found == pytest.approx(wanted.iloc[0].to_dict(), rel=1e-9), state


def test_bars_lines_and_tables_are_those_of_a_query(window, lake, entry):
    zones = lake.execute(
        "select coalesce(zone_id, 'unassigned'), sum(delay_veh_h) from marts.congestion_hourly"
        " group by 1 order by 2 desc"
    ).fetchall()
    hours = dict(
        lake.execute(
            "select local_hour || ' ' || day_type, sum(delay_veh_h) / count(distinct local_date)"
            " from marts.congestion_hourly group by 1"
        ).fetchall()
    )
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        bars = [(row["zone_id"], row["delay"]) for row in opened.rows("delay_by_zone")]
        assert [name for name, _ in bars] == [name for name, _ in zones]
        assert [value for _, value in bars] == pytest.approx([value for _, value in zones])
        found = {f"{row['local_hour']} {row['day_type']}": row["delay_per_day"] for row in opened.rows("delay_by_hour")}
        assert found == pytest.approx(hours)


def test_the_map_shows_the_hour_of_its_slider(window, lake, entry):
    def wanted(hour: str) -> dict[str, float]:
        rows = lake.execute(
            f"select segment_id, congestion_index_avg from marts.congestion_hourly where hour_start = {hour}"
        )
        return dict(rows.fetchall())

    with window() as opened:
        opened.go(entry)
        newest = {row["segment_id"]: row["congestion_index"] for row in opened.rows("congestion_map")}
        expected = wanted("(select max(hour_start) from marts.congestion_hourly)")
        assert {name: newest[name] for name in expected} == pytest.approx(expected)
        assert set(newest) - set(expected) == {"N-2"}  # silent, so shown without a figure
        slider = opened.page.locator("#congestion_map-slider")
        slider.focus()
        slider.press("ArrowLeft")
        slider.press("ArrowLeft")
        earlier = {row["segment_id"]: row["congestion_index"] for row in opened.rows("congestion_map")}
        assert earlier == pytest.approx(
            wanted("(select max(hour_start) - interval 2 hour from marts.congestion_hourly)")
        )
        assert slider.get_attribute("aria-valuetext") == "Fri 2026-03-27 09:00 PDT"
        said = opened.page.get_attribute("#visual-congestion_map .picture", "aria-label")
        assert said.startswith("Congestion by segment, hour by hour, Fri 2026-03-27 09:00 PDT: 6 segments; ")
        note = opened.page.text_content("#visual-congestion_map .note")
        assert note.startswith("Shows Fri 2026-03-27 09:00 PDT. ")


def test_the_text_alternative_names_what_was_chosen(window, lake, entry):
    (days,) = lake.execute(
        "select count(distinct local_date) from marts.congestion_hourly"
        " where segment_id = 'N-3' and local_date >= '2026-03-26'"
    ).fetchone()
    with window() as opened:
        opened.go(entry)
        opened.page.select_option("#visual-segment_heat select", label="N-3")
        said = opened.page.get_attribute("#visual-segment_heat .picture", "aria-label")
        assert said.startswith("Hours and days of a segment, N-3: ")
        assert said == opened.page.text_content("#visual-segment_heat .summary")
        assert days == len({row["local_date"] for row in opened.rows("segment_heat")})


def test_segments_without_coordinates_and_silent_ones_are_named(window, entry):
    with window() as opened:
        opened.go(entry)
        note = opened.page.text_content("#visual-congestion_map .note")
        assert "no coordinates: E-1 " in note
        assert "1 of 6 segments sent nothing usable in this hour" in note


def test_what_is_under_80_percent_observed_is_marked_in_every_kind_of_visual(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=now&corridor=north")
        marks = opened.drawn("congestion_map")[-2]["marker"]
        rows = [row["segment_id"] for row in opened.rows("congestion_map")]
        assert dict(zip(rows, marks["symbol"], strict=True)) == {
            "N-1": "circle", "N-2": "circle-open", "N-3": "diamond",
        }  # fmt: skip
        opened.page.select_option("#visual-segment_heat select", label="N-3")
        assert len(opened.drawn("segment_heat")[1]["x"]) == len(opened.rows("segment_heat"))
        opened.page.select_option("#visual-segment_heat select", label="N-1")
        assert opened.drawn("segment_heat")[1]["x"] == []
        opened.go(entry, "#sheet=cost&zone=harbor&corridor=north")
        assert opened.drawn("delay_by_zone")[0]["marker"]["pattern"]["shape"] == ["/"]
        assert set(opened.drawn("delay_by_day")[0]["marker"]["symbol"]) == {"circle-open"}
        assert opened.page.locator("#visual-cost_table tr.doubtful").count() == 1
        assert "take these figures as doubtful" in opened.page.text_content("#visual-cost_figures")


def test_earlier_weeks_and_the_trend_compare_same_weekdays(window, lake, entry):
    days = dict(
        lake.execute("select local_date::text, sum(delay_veh_h) from marts.congestion_daily group by 1").fetchall()
    )
    with window() as opened:
        opened.go(entry, "#sheet=cost&from=2026-03-20&to=2026-03-26")
        lines = {line["name"]: line for line in opened.drawn("delay_by_day")}
        week = [f"2026-03-{day}" for day in range(20, 27)]
        assert lines["Delay"]["x"] == lines["1 week earlier"]["x"] == lines["2 weeks earlier"]["x"] == week
        assert lines["1 week earlier"]["y"] == pytest.approx([days[f"2026-03-{day}"] for day in range(13, 20)])
        opened.sheet("corridors")
        text = opened.page.text_content("#visual-corridor_ranking tbody tr:has(th:text-is('south'))")
    both = lake.execute(
        """
        select sum(delay_veh_h) filter (local_date between '2026-03-20' and '2026-03-26')
            / sum(delay_veh_h) filter (local_date between '2026-03-13' and '2026-03-19')
        from marts.congestion_daily where corridor_id = 'south'
        """
    ).fetchone()[0]
    assert text.endswith(f"{100 * (both - 1):+.0f} % (7)")


def test_episodes_show_their_duration_severity_and_whether_they_ended(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=happening")
        assert [opened.figure("episode_figures", name) for name in ("episodes", "critical", "still_open")] == [3, 2, 1]
        rows = {row["segment_id"]: row for row in opened.rows("episode_list")}
        assert list(rows) == ["N-3", "S-1", "N-1"]  # the newest first
        assert (rows["S-1"]["level"], rows["S-1"]["duration"], rows["S-1"]["delay"]) == ("CRITICAL", 60, 7.25)
        assert rows["N-1"]["started_at"] == "Thu 2026-03-26 07:00 PDT"
        assert "No segment was in alert when this page was built, as far as" in opened.page.text_content(
            "#visual-alerts_now"
        )


def test_arrival_shows_reconciliation_and_the_delay_of_the_feed(window, lake, entry):
    with window() as opened:
        opened.go(entry, "#sheet=arrival")
        assert opened.figure("reconciliation_figures", "landed") == one(
            lake, "select sum(landed) from marts.reconciliation_hourly"
        )
        assert opened.figure("reconciliation_figures", "difference") == 0
        assert opened.figure("feed_figures", "mean_delay") == pytest.approx(
            one(lake, "select avg(epoch(arrived_at - ts)) / 60 from curated.readings")
        )
        assert opened.figure("feed_figures", "longest_delay") == 39
        assert "Not filtered by: zone, corridor" in opened.page.text_content("#visual-feed_delay .note")


def test_controls_work_by_keyboard_and_the_address_keeps_them(window, lake, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the figures"
        page.locator("#control-zone > summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.text_content("#control-zone > summary") == "Zone: harbor"
        page.keyboard.press("Escape")
        assert page.get_attribute("#control-zone", "open") is None
        page.locator("#control-holidays").focus()
        page.keyboard.press("Space")
        wanted = one(
            lake,
            "select sum(vkt) from marts.congestion_daily where zone_id = 'harbor' and day_type <> 'holiday'",
        )
        assert opened.figure("cost_figures", "vkt") == pytest.approx(wanted)
        assert page.text_content("#status") == "Showing the first day to the newest day, harbor, without holidays."
        page.reload()
        assert opened.figure("cost_figures", "vkt") == pytest.approx(wanted)
        page.locator("[data-sheet=corridors]").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.textContent") == "Worst corridors"
        page.locator("#clear").focus()
        page.keyboard.press("Enter")
        assert page.text_content("#control-zone > summary") == "Zone: all"
        assert page.evaluate("document.activeElement.id") == "clear"


def test_the_dates_that_are_typed_filter_every_visual(window, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        opened.page.fill("#control-from", "2026-03-25")
        opened.page.fill("#control-to", "2026-03-26")
        assert opened.figure("cost_figures", "days") == 2
        assert [row["local_date"] for row in opened.rows("delay_by_day")] == ["Wed 2026-03-25", "Thu 2026-03-26"]
        opened.page.click("text=latest day")
        assert opened.figure("cost_figures", "days") == 1
        opened.page.fill("#control-from", "2026-03-27")
        opened.page.fill("#control-to", "2026-03-26")
        assert opened.page.text_content("#visual-delay_by_day .empty") == "No data for these filters."


def test_axe_finds_nothing_that_keeps_anyone_out(window, entry):
    with window(color_scheme="light") as opened:
        opened.go(entry)
        for sheet in SHEETS:
            opened.sheet(sheet)
            for details in opened.page.locator("main .formulas > summary").all():
                details.click()
            assert_accessible(opened)
        opened.sheet("cost")
        opened.page.click("text=Table of “Delay by zone”")
        opened.page.click("#control-zone > summary")
        for scheme in ("light", "dark"):
            opened.page.select_option("#theme", scheme)
            assert_accessible(opened)


def assert_accessible(opened) -> None:
    found = Axe().run(opened.page).response["violations"]
    assert not found, json.dumps([(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found])


def test_the_colours_follow_the_system_and_the_switch(window, entry):
    with window(color_scheme="dark") as opened:
        opened.go(entry)

        def ground() -> str:
            return opened.page.evaluate("getComputedStyle(document.body).backgroundColor")

        dark = ground()
        opened.page.select_option("#theme", "light")
        assert (dark, ground()) == ("rgb(20, 23, 28)", "rgb(255, 255, 255)")
        opened.page.reload()
        assert ground() == "rgb(255, 255, 255)"


def test_the_table_behind_a_chart_holds_its_rows_and_the_query(window, lake, entry):
    with window() as opened:
        opened.go(entry, "#sheet=cost")
        opened.page.click("text=Table of “Delay by zone”")
        cells = opened.page.locator("#visual-delay_by_zone tbody tr").all_text_contents()
        assert len(cells) == 3
        with opened.page.expect_download() as download:
            opened.page.click("#visual-delay_by_zone button:has-text('CSV')")
        lines = Path(download.value.path()).read_text().splitlines()
        assert lines[0] == "zone,Delay (veh·h)"
        sql = opened.page.text_content("#visual-delay_by_zone pre")
        asked = {name or "unassigned": delay for name, delay in lake.execute(sql).fetchall()}
        assert {line.split(",")[0]: float(line.split(",")[1]) for line in lines[1:]} == pytest.approx(asked)


def test_names_are_text_and_never_markup_or_formulas(window, tmp_path):
    evil = "=<img src=x onerror=alert(1)>"
    city = (hand_made.Segment(evil, "<b>c</b>", "</script><script>z", 0.0), hand_made.Segment("b", "<b>c</b>", "z", 1))
    entry = hand_made.write_page(hand_made.lake(city, days=2), tmp_path)
    with window() as opened:
        opened.go(entry)
        assert opened.page.locator("main img").count() == 0
        opened.page.click("text=Table of “Congestion by segment, hour by hour”")
        assert evil in opened.page.text_content("#visual-congestion_map tbody")
        with opened.page.expect_download() as download:
            opened.page.click("#visual-congestion_map button:has-text('CSV')")
        assert f"'{evil}" in Path(download.value.path()).read_text()
        opened.sheet("corridors")
        assert "<b>c</b>" in opened.page.text_content("#visual-corridor_bars .picture")
        assert opened.problems == []


def test_empty_marts_give_a_page_that_says_so(window, tmp_path):
    lake = hand_made.lake()
    for table in ("marts.congestion_hourly", "marts.congestion_daily"):
        lake.execute(f"delete from {table}")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path))
        for sheet in SHEETS:
            opened.sheet(sheet)
            assert "the marts hold no rows" in opened.page.text_content("main [role=alert]")
        assert opened.figure("reconciliation_figures", "difference") == 0
        opened.sheet("happening")
        assert "trafficlake alerts episodes" in opened.page.text_content("#visual-episode_list .empty")
        assert opened.problems == []


def test_days_that_were_left_out_are_said_and_not_silent(window, lake, tmp_path):
    specs = spec.load()
    data = hand_made.page_data(lake, specs)
    cube = data.cubes["segment_hours.fine"]
    data.cubes["segment_hours.fine"] = dataclasses.replace(cube, since=date(2026, 3, 20), thinned=True)
    with window() as opened:
        opened.go(site.write(tmp_path, specs, data))
        assert "since 2026-03-20 alone, because" in opened.page.text_content("#visual-congestion_map .note")
        assert "alone, because" not in opened.page.text_content("#visual-corridor_heat .note")


def test_the_latest_day_is_one_of_traffic_also_where_history_arrived_later(window, tmp_path):
    lake = hand_made.lake(days=2)
    lake.execute("update marts.reconciliation_hourly set arrival_hour = arrival_hour + interval 90 day")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path), "#sheet=cost")
        opened.page.click("text=latest day")
        assert [row["local_date"] for row in opened.rows("delay_by_day")] == ["Fri 2026-03-27"]


def test_segments_of_no_corridor_are_not_joined_to_a_road(window, tmp_path):
    city = tuple(hand_made.Segment(name, "", "z", float(number)) for number, name in enumerate("abc"))
    lake = hand_made.lake(city, days=1)
    lake.execute("update marts.congestion_hourly set corridor_id = null")
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path))
        assert len(opened.rows("congestion_map")) == 3
        assert [trace["mode"] for trace in opened.drawn("congestion_map")] == ["markers", "markers"]


def test_one_segment_gives_a_whole_page(window, tmp_path):
    city = (hand_made.Segment("only", "road", "zone", 0.0),)
    with window() as opened:
        opened.go(hand_made.write_page(hand_made.lake(city), tmp_path))
        for sheet in SHEETS:
            opened.sheet(sheet)
        opened.sheet("now")
        assert [row["segment_id"] for row in opened.rows("congestion_map")] == ["only"]
        assert opened.problems == []


def test_a_city_of_broken_sensors_gives_a_page_that_says_so(window, tmp_path):
    with window() as opened:
        opened.go(hand_made.write_page(hand_made.lake(usable=False), tmp_path))
        assert "No sensor sent anything usable" in opened.page.text_content("main [role=alert]")
        assert "nothing usable was observed" in opened.page.text_content("#visual-congestion_map .empty")
        opened.sheet("coverage")
        assert opened.figure("coverage_figures", "observed_share") == 0
        assert opened.problems == []


def test_a_new_mart_gets_its_sheet_from_a_spec_alone(window, tmp_path):
    folder = tmp_path / "specs"
    (folder / "datasets").mkdir(parents=True)
    (folder / "datasets" / "bottlenecks.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "bottlenecks",
                "title": "Bottlenecks",
                "mart": "marts.bottlenecks",
                "grain": ["segment_id", "local_date"],
                "mode": "direct_query",
                "mode_reason": "few rows",
                "date": "local_date",
                "latest_days": 31,
                "columns": [
                    {"name": "segment_id", "type": "text", "title": "segment"},
                    {"name": "local_date", "type": "date", "title": "day"},
                    {"name": "duration_min", "type": "number", "title": "duration (min)"},
                ],
                "measures": {
                    "mean_duration": {
                        "title": "Mean duration",
                        "formula": "sum(duration_min) / count()",
                        "unit": "min",
                        "description": "of a day",
                    }
                },
            }
        )
    )
    visual = {
        "id": "worst", "title": "Worst bottlenecks", "description": "d", "dataset": "bottlenecks", "kind": "bar",
        "x": "segment_id", "measures": ["mean_duration"], "text_alternative": "{title}: {top} {top_value} {unit}.",
    }  # fmt: skip
    sheet = {"id": "heads", "title": "Bottlenecks", "question": "Where?", "visuals": [visual]}
    control = {"id": "dates", "kind": "date_range", "title": "Days", "description": "d"}
    (folder / "bottlenecks.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "bottlenecks",
                "title": "B",
                "description": "d",
                "position": 1,
                "controls": [control],
                "sheets": [sheet],
            }
        )
    )
    lake = hand_made.lake(days=1)
    lake.execute(
        "create table marts.bottlenecks as select * from (values ('a', date '2026-03-01', 10),"
        " ('a', date '2026-03-02', 40), ('b', date '2026-03-02', 20)) as found (segment_id, local_date, duration_min)"
    )
    with window() as opened:
        opened.go(hand_made.write_page(lake, tmp_path / "page", spec.load(folder)))
        assert [(row["segment_id"], row["mean_duration"]) for row in opened.rows("worst")] == [("a", 25), ("b", 20)]
        assert opened.page.get_attribute("#visual-worst .picture", "aria-label") == "Worst bottlenecks: a 25.0 min."
        assert opened.problems == []
