"""Metrics of the functions, as lines of embedded metric format on stdout: CloudWatch takes them from the log.

Namespace `trafficlake`, dimension `service`, which Powertools takes from the environment (POWERTOOLS_SERVICE_NAME);
those of a zone have the dimension `zone_id` besides.
"""

from collections.abc import Iterable, Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from ingestion.alerts.machine import Summary

NAMESPACE = "trafficlake"
# CloudWatch takes at most 100 values of a metric in one line; powertools itself ends a line at the hundredth.
_VALUES = 99


def emit(counts: Mapping[str, float], unit: MetricUnit = MetricUnit.Count) -> None:
    """Write one line with a value of each metric."""
    metrics = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=unit, value=value)
    metrics.flush_metrics()


def emit_zone(zone_id: str, counts: Mapping[str, Iterable[float]]) -> None:
    """Write lines with the values of each metric of a zone."""
    left = {name: list(values) for name, values in counts.items()}
    while any(left.values()):
        metrics = EphemeralMetrics(namespace=NAMESPACE)
        metrics.add_dimension(name="zone_id", value=zone_id)
        for name, values in left.items():
            for value in values[:_VALUES]:
                metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
        metrics.flush_metrics()
        left = {name: values[_VALUES:] for name, values in left.items()}


def emit_summaries(summaries: Iterable[tuple[str, Summary]]) -> None:
    """Write what 5-minute summaries (zone, summary) say: their average is the zone's mean index, their sum its volume.

    Each segment counts alike, however many sensors it has.
    """
    zones: dict[str, dict[str, list[float]]] = {}
    for zone_id, summary in summaries:
        of_zone = zones.setdefault(zone_id, {"MeanCongestionIndex": [], "Vehicles": []})
        if summary.mean_index is not None:
            of_zone["MeanCongestionIndex"].append(summary.mean_index)
        if summary.vehicles is not None:
            of_zone["Vehicles"].append(summary.vehicles)
    for zone_id, counts in zones.items():
        emit_zone(zone_id, counts)
