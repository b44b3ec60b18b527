"""Congestion index of one reading, 0 to 100, by the metrics definition (5-minute, per segment: congestion_index).

A reading is used as the 5-minute roll-up would use an interval that holds nothing but it: the contract's flags say
which measures to leave out, a speed counts where a vehicle passed that can have had it, and the count decides only
where there is no such speed (congestion_basis).
"""

from collections.abc import Collection
from functools import cache

from ingestion.contract.model import load

# Metrics definition: an index of 100 is a fifth of the free-flow speed (`congestion_index_span` of the dbt project).
SPAN = 0.8


def congestion_index(
    *,
    speed_kmh: float | None,
    vehicle_count: int | None,
    quality_flags: Collection[str],
    free_flow_kmh: float | None,
    capacity_veh: float | None,
) -> float | None:
    """Return the index of a reading, or None where neither its speed nor its count tells one.

    `vehicle_count` and `capacity_veh` are of the reporting interval, `quality_flags` all flags that the reading has,
    of either scope. With a usable speed and no free-flow speed the index is unknown, as it is in the marts: a count
    never stands in for a speed that was measured.
    """
    speed = usable_speed_kmh(speed_kmh, vehicle_count, quality_flags)
    if speed is not None:
        return None if free_flow_kmh is None else 100 * _clamp((free_flow_kmh - speed) / (SPAN * free_flow_kmh))
    count = usable_count(vehicle_count, quality_flags)
    return None if count is None or capacity_veh is None else 100 * _clamp(count / capacity_veh)


def usable_speed_kmh(
    speed_kmh: float | None, vehicle_count: int | None, quality_flags: Collection[str]
) -> float | None:
    """Return the speed where the roll-up would use it: not flagged, above zero, of vehicles that passed.

    A sensor that sends no count is taken at its word that somebody passed.
    """
    if speed_kmh is None or speed_kmh <= 0 or _is_excluded("speed", quality_flags):
        return None
    passed = vehicle_count is None or usable_count(vehicle_count, quality_flags)
    return speed_kmh if passed else None


def usable_count(vehicle_count: int | None, quality_flags: Collection[str]) -> int | None:
    """Return the vehicles of a reading, or None where a flag keeps its count out of the volume."""
    return None if _is_excluded("volume", quality_flags) else vehicle_count


def reading_capacity_veh(capacity_veh_h: float, interval_s: int, lanes_covered: int, lanes: int) -> float:
    """Return how many vehicles a sensor can count in one reporting interval.

    The registry's capacity is of the segment over all `lanes`; a sensor on one lane has its share of it, which is the
    same as scaling its volume to the segment.
    """
    return capacity_veh_h * interval_s / 3600 * lanes_covered / lanes


def _clamp(share: float) -> float:
    return min(1.0, max(0.0, share))


def _is_excluded(measure: str, quality_flags: Collection[str]) -> bool:
    return bool(quality_flags) and not _excluding(measure).isdisjoint(quality_flags)


@cache
def _excluding(measure: str) -> frozenset[str]:
    return frozenset(load("readings").flags_excluding(measure))
