"""What a run tells CloudWatch: how many arrival hours do not balance, and how old the marts are.

Published before the marts are audited, because the audit stops the run where an hour does not balance. Namespace
`trafficlake`, dimension `stage`; CodeBuild's log is no source of embedded metrics, so it is a call of the API.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import boto3
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import EqualTo

from infra.newest import newest
from infra.settings import CitySettings

NAMESPACE, DIMENSION = "trafficlake", "stage"
UNBALANCED, FRESHNESS = "UnbalancedHours", "MartFreshnessHours"
HOUR = timedelta(hours=1)


def publish(catalog: Catalog, city: CitySettings, now: datetime) -> None:
    """Publish what the marts say at `now` (naive UTC); a mart that is not there yet says nothing."""
    found = {UNBALANCED: unbalanced_hours(catalog), FRESHNESS: mart_age_h(catalog, now)}
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": DIMENSION, "Value": city.stage}],
            # CloudWatch knows no unit of hours.
            "Unit": "Count" if name == UNBALANCED else "None",
            "Value": value,
        }
        for name, value in found.items()
        if value is not None
    ]
    if data:
        boto3.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)


def unbalanced_hours(catalog: Catalog) -> int | None:
    """Return how many arrival hours do not balance; None where none was ever reconciled."""
    try:
        table = catalog.load_table("marts.reconciliation_hourly")
    except NoSuchTableError:
        return None
    scan = table.scan(EqualTo("is_balanced", False), selected_fields=("arrival_hour", "is_balanced"))
    return scan.to_arrow().num_rows


def mart_age_h(catalog: Catalog, now: datetime) -> float | None:
    """Return the hours since the newest hour of the marts ended, 0 while it lasts; None where there is none."""
    hour = newest(catalog, "marts.congestion_hourly", "hour_start")
    return None if hour is None else max(0.0, (now - hour - HOUR) / HOUR)
