"""Lines in embedded metric format, against the specification's rules."""

import json
from datetime import UTC, datetime

import pytest

from infra.local import embedded_metrics


def line(directive, **members):
    about = {"Namespace": "n", "Dimensions": [["zone"]], "Metrics": [{"Name": "m", "Unit": "Count"}]} | directive
    return json.dumps({"_aws": {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [about]}} | members)


def test_each_set_of_dimensions_has_each_metric():
    directive = {
        "Dimensions": [["zone"], ["zone", "level"]],
        "Metrics": [{"Name": "m", "Unit": "Count"}, {"Name": "k"}],
    }
    found = embedded_metrics.read_line(line(directive, zone="z", level=3, m=[1, 2.5], k=7))
    at = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    zone, level = {"Name": "zone", "Value": "z"}, {"Name": "level", "Value": "3"}
    m = {"MetricName": "m", "Timestamp": at, "Unit": "Count", "Values": [1.0, 2.5], "Counts": [1.0, 1.0]}
    k = {"MetricName": "k", "Timestamp": at, "Unit": "None", "Values": [7.0], "Counts": [1.0]}
    assert found == [
        ("n", m | {"Dimensions": [zone]}),
        ("n", k | {"Dimensions": [zone]}),
        ("n", m | {"Dimensions": [zone, level]}),
        ("n", k | {"Dimensions": [zone, level]}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "anything",
        '{"_aws"',
        '{"_aws": {}}',
        '{"_aws": 1}',
        line({}, m=1),
        line({}, zone="z"),
        line({}, zone="z", m="much"),
        line({"Namespace": None}, zone="z", m=1),
    ],
)
def test_what_is_no_metric_is_left_out(text):
    assert embedded_metrics.read_line(text) == []
