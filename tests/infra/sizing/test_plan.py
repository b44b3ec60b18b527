"""What a plan costs: dollars computed by hand, prices with day and source, and what must hold for every city."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from infra.cli import app as cli
from infra.sizing.plan import as_document, make_plan, not_priced, own, stream_mode, total
from infra.sizing.prices import Price, load
from infra.sizing.resources import MOST_SENSORS, City, Stream

TABLE = load()
SENSORS, INTERVALS = st.integers(1, MOST_SENSORS), st.sampled_from([1, 20, 60, 300, 3600, 86_400])

# Dollars a day of 1,000 sensors at 20 s, 50,000 at 20 s and 50,000 at 1 s.
BY_HAND = {
    # Minutes of connection: 1.44 and 72 million at $0.08.
    ("devices", "connections"): (0.1152, 5.76, 5.76),
    # A month of 4.32 million a day is below a billion, at $1. Of 216 million it is 6,570 million: 1,000 at $1, 4,000 at
    # $0.80, 1,570 at $0.70 are $5,299; of 4,320 million it is 131,400 million: $92,680.
    ("devices", "messages"): (4.32, 174.2137, 3047.0137),
    ("devices", "rules triggered"): (1.296, 64.8, 1296),
    ("devices", "rule actions"): (0.648, 32.4, 648),
    # 1, 4 and 63 shards at $0.015 an hour, and $0.014 a million puts.
    ("landing", "stream readings"): (0.36 + 0.06048, 1.44 + 3.024, 22.68 + 60.48),
    # 20.6 GB and so on at $0.029, and $0.018 for Parquet.
    ("landing", "Firehose"): (0.59738, 29.8691, 597.3816),
    ("landing", "Firehose to Parquet"): (0.37079, 18.5394, 370.7886),
    # 298,250, 14,912,500 and 58,300,000 units at $0.625 a million.
    ("alerts", "DynamoDB writes"): (0.18641, 9.3203, 36.4375),
    # 24 runs of 2, 2 and 6 workers for 123.07, 273.48 and 733.93 s, at $0.44 an hour.
    ("lake", "Glue jobs"): (0.72201, 1.60444, 12.9172),
    # 2 * $24 and 25 * $3 a month of 365 / 12 days.
    ("people", "2 QuickSight authors"): (1.57808,) * 3,
    ("people", "25 QuickSight readers"): (2.46575,) * 3,
    # Two units for each reading at $0.625 a million: architecture.md, decision 5.
    ("naive", "a put per reading, one index"): (5.40, 270, 5400),
    # 224 times a day's JSON (200 bytes a reading), at $5 a TB.
    ("naive", "queries and hourly figures"): (0.88010, 44.0050, 880.0995),
}


@pytest.mark.parametrize("what", BY_HAND)
def test_a_line_costs_what_was_computed_by_hand(what):
    plans = [make_plan(City(*city), TABLE) for city in ((1_000, 20), (50_000, 20), (50_000, 1))]
    found = [
        sum(line.usd_per_day for line in (*plan.lines, *plan.naive) if (line.group, line.item) == what)
        for plan in plans
    ]
    assert found == pytest.approx(BY_HAND[what], rel=1e-3)


def test_the_naive_design_has_the_same_way_in():
    plan = make_plan(City(50_000, 20), TABLE)
    assert total(plan.lines) - own(plan.lines) == pytest.approx(total(plan.naive) - own(plan.naive))
    assert 0 < own(plan.lines) < own(plan.naive)


@given(SENSORS, SENSORS, INTERVALS)
def test_more_sensors_never_cost_less(one, other, interval_s):
    fewer, more = (make_plan(City(count, interval_s), TABLE) for count in sorted((one, other)))
    assert total(fewer.lines) <= total(more.lines) * (1 + 1e-9)
    assert total(fewer.naive) <= total(more.naive) * (1 + 1e-9)


@given(SENSORS, INTERVALS, INTERVALS)
def test_more_readings_never_cost_less(sensors, one, other):
    rarer, denser = (make_plan(City(sensors, each), TABLE) for each in sorted((one, other), reverse=True))
    assert total(rarer.lines) <= total(denser.lines) * (1 + 1e-9)


def test_a_stream_has_the_cheaper_mode():
    # 24 shards are $8.64 a day; on demand a stream is $0.96, and 100 GB in and 100 GB out are $12 more.
    idle = Stream(1, 1, shards=24, put_units=0, on_demand_gb_in=0, on_demand_gb_out=0)
    busy = Stream(1, 1, shards=24, put_units=0, on_demand_gb_in=100, on_demand_gb_out=100)
    assert (stream_mode(idle, TABLE), stream_mode(busy, TABLE)) == ("on-demand", "provisioned")


def test_every_price_has_a_unit_a_day_and_a_source():
    assert TABLE.region == "us-east-1"
    for name, price in TABLE.prices.items():
        day = price.as_of or price.read
        assert day, name
        assert day <= TABLE.read, name
        assert price.source.host, name
        assert price.unit, name


def test_every_price_is_used():
    used = set(as_document(make_plan(City(50_000, 20), TABLE), TABLE)["prices"]["used"])
    on_demand = {name for name in TABLE.prices if name.startswith("kinesis_on_demand")}
    assert used | on_demand == set(TABLE.prices)


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": 1},
        {"price": 1, "as_of": "2026-01-01"},
        {"price": 1, "source": "https://aws.amazon.com"},
        {"price": 1, "source": "https://aws.amazon.com", "read": "2026-01-01", "as_of": "2026-01-01"},
        {"price": -1, "source": "https://aws.amazon.com", "read": "2026-01-01"},
        {"tiers": [{"price": 1}, {"up_to": 2, "price": 1}], "source": "https://aws.amazon.com", "read": "2026-01-01"},
        {"tiers": [{"up_to": 2, "price": 1}], "source": "https://aws.amazon.com", "read": "2026-01-01"},
        {"price": 1, "tiers": [{"price": 1}], "source": "https://aws.amazon.com", "read": "2026-01-01"},
    ],
)
def test_a_price_without_day_or_source_is_refused(wrong):
    with pytest.raises(ValidationError):
        Price.model_validate({"unit": "GB"} | wrong)


@pytest.fixture
def without_a_price(monkeypatch):
    missing = TABLE.prices["dynamodb_write"].model_copy(update={"price": None})
    table = TABLE.model_copy(update={"prices": TABLE.prices | {"dynamodb_write": missing}})
    monkeypatch.setattr("infra.sizing.prices.load", lambda: table)
    return table


def test_what_has_no_price_is_said_and_in_no_sum(without_a_price):
    city = City(50_000, 20)
    priced, unpriced = make_plan(city, TABLE), make_plan(city, without_a_price)
    assert not_priced(unpriced) == ["alerts: DynamoDB writes", "naive: a put per reading, one index"]
    assert total(unpriced.lines) == pytest.approx(total(priced.lines) - 9.3203, abs=1e-3)
    shown = run("plan", "--sensors", "50000", "--interval", "20s").stdout
    assert "not priced, and in no sum: alerts: DynamoDB writes; naive: a put per reading, one index" in shown


def test_a_city_that_is_too_large_for_the_groups_of_segments_is_told_so():
    shown = run("plan", "--sensors", "2000000", "--interval", "1s").stdout
    assert "segments are in 64 groups: raise GROUPS first" in shown
    assert "raise GROUPS" not in run("plan", "--sensors", "50000", "--interval", "1s").stdout


def run(*arguments: str):
    found = CliRunner().invoke(cli.app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert found.exit_code == 0, found.output
    return found


def test_json_holds_the_plan_with_the_sources_of_its_prices():
    document = json.loads(run("plan", "--sensors", "50000", "--interval", "20s", "--output", "json").stdout)
    assert document["city"] == {
        "sensors": 50_000, "interval_s": 20, "sensors_per_segment": 2, "bytes_per_reading": 200,
        "readings_per_s": 2500.0, "segments": 25_000,
    }  # fmt: skip
    assert set(document) == {
        "city", "resources", "lines", "usd_per_day", "usd_per_day_not_shared", "naive", "not_priced", "warnings",
        "prices", "assumptions",
    }  # fmt: skip
    types = {
        "group": str, "item": str, "quantity": int | float, "unit": str, "usd_per_day": float, "price": str | None,
        "shared": bool,
    }  # fmt: skip
    for line in (*document["lines"], *document["naive"]["lines"]):
        assert set(line) == set(types)
        assert all(isinstance(line[name], kind) for name, kind in types.items()), line
        assert line["price"] is None or document["prices"]["used"][line["price"]]["source"].startswith("https://")
    assert sum(line["usd_per_day"] for line in document["lines"]) == pytest.approx(document["usd_per_day"])
    assert document["resources"]["stream_modes"] == {"readings": "provisioned", "segment-readings": "provisioned"}


@pytest.mark.parametrize("interval", ["60", "60s", "1m"])
def test_an_interval_may_have_a_unit(interval):
    document = json.loads(run("plan", "--sensors", "10", "--interval", interval, "--output", "json").stdout)
    assert document["city"]["interval_s"] == 60


def test_the_table_says_what_it_is_made_of():
    shown = run("plan", "--sensors", "50000", "--interval", "20s").stdout
    for part in ("Kinesis stream readings", "Naive design", "Prices of us-east-1, looked up on 2026-11-21", "laptop"):
        assert part in shown


def test_a_plan_needs_no_endpoint_and_no_settings_of_aws(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TRAFFICLAKE_STATE_DIR", "/nowhere")
    run("plan", "--sensors", "5", "--interval", "300")
