"""The lines that CloudWatch reads: what is in them, within its limits."""

import json

import pytest

from ingestion.alerts.machine import Summary
from ingestion.alerts.metrics import emit, emit_summaries, emit_zone

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def service(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "alerts")


def lines(capsys) -> list[dict]:
    """Return what was written, each as metrics by dimension: {(("service", "alerts"), ...): {name: values}}."""
    found = []
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "trafficlake"
        (names,) = directive["Dimensions"]
        metrics = {metric["Name"]: document[metric["Name"]] for metric in directive["Metrics"]}
        found.append({tuple(sorted((name, document[name]) for name in names)): metrics})
    return found


def summary(mean_index, vehicles):
    return Summary(0, 15, mean_index, mean_index, vehicles)


def test_counts_are_of_the_service(capsys):
    emit({"JudgedReadings": 3, "RejectedReadings": 0})
    assert lines(capsys) == [{(("service", "alerts"),): {"JudgedReadings": [3], "RejectedReadings": [0]}}]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 250])
def test_the_values_of_a_zone_are_all_written_a_hundred_a_line_at_most(capsys, count):
    values = [float(number) for number in range(count)]
    emit_zone("Z", {"Vehicles": values[:30], "MeanCongestionIndex": values, "ActiveAlerts": []})
    written = [line[("service", "alerts"), ("zone_id", "Z")] for line in lines(capsys)]
    assert all(len(line.get("MeanCongestionIndex", [])) <= 100 for line in written)
    assert [value for line in written for value in line.get("MeanCongestionIndex", [])] == values
    assert [value for line in written for value in line.get("Vehicles", [])] == values[:30]


def test_summaries_are_told_by_zone_without_what_is_unknown(capsys):
    emit_summaries(
        [("A", summary(50.0, 7)), ("B", summary(None, 0)), ("A", summary(0.0, None)), ("C", summary(None, None))]
    )
    zone = {name: (("service", "alerts"), ("zone_id", name)) for name in "AB"}
    assert lines(capsys) == [
        {zone["A"]: {"MeanCongestionIndex": [50.0, 0.0], "Vehicles": [7]}},
        {zone["B"]: {"Vehicles": [0]}},
    ]
