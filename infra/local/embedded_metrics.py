"""Embedded metric format: lines that a function prints become metrics, as CloudWatch Logs makes them.

CloudWatch User Guide, "Specification: Embedded metric format".
"""

import json
from datetime import UTC, datetime
from typing import Any


def read_line(line: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what a line says, as namespaces and entries of PutMetricData; nothing for any other line.

    A metric or a dimension that the line names and does not hold is left out, together with what needs it.
    """
    if '"_aws"' not in line:
        return []
    try:
        document = json.loads(line)
        about = document["_aws"]
        at = datetime.fromtimestamp(about["Timestamp"] / 1000, UTC)
        directives = [each for each in about["CloudWatchMetrics"] if isinstance(each["Namespace"], str)]
        return [
            (directive["Namespace"], _entry(document, metric, names, at))
            for directive in directives
            for names in directive["Dimensions"]
            for metric in directive["Metrics"]
            if metric["Name"] in document and all(name in document for name in names)
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _entry(document: dict[str, Any], metric: dict[str, Any], names: list[str], at: datetime) -> dict[str, Any]:
    value = document[metric["Name"]]
    values = [float(each) for each in (value if isinstance(value, list) else [value])]
    return {
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": str(document[name])} for name in names],
        "Timestamp": at,
        "Unit": metric.get("Unit", "None"),
        "Values": values,
        "Counts": [1.0] * len(values),
    }
