"""From records of the stream to judged readings: valid or not, of which segment, how congested. Pure, without state.

What a valid reading is, is decided by `ingestion.reading` alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ingestion.alerts.anomalies import Rules, fingerprint, violations
from ingestion.alerts.congestion_index import congestion_index
from ingestion.alerts.reference import Reference, Sensor
from ingestion.alerts.segment_stream import JudgedReading
from ingestion.generated_reading import Reading
from ingestion.reading import read

TOO_MANY = "count_above_physical_limit"


@dataclass(slots=True)
class Judged:
    """What became of the documents of a batch: every one is in exactly one of the three.

    Why a reading is rejected, the batch says; `unregistered` are those of sensors that the registry does not know.
    """

    readings: list[JudgedReading] = field(default_factory=list)
    rejected: int = 0
    unregistered: int = 0


def judge(records: Iterable[tuple[bytes, int]], reference: Reference, rules: Rules) -> Judged:
    """Return the judged readings of records (data, arrival in microseconds since 1970), in order; never raises."""
    judged = Judged()
    sensors, segments, keep = reference.sensors, reference.segments, judged.readings.append
    for data, arrived_us in records:
        readings, rejects = read(data, arrived_us)
        judged.rejected += len(rejects)
        for reading in readings:
            sensor = sensors.get(reading.sensor_id)
            if sensor is None:
                judged.unregistered += 1
            else:
                keep(_judged(reading, sensor, segments[sensor.segment_id].free_flow_kmh, rules))
    return judged


def _judged(reading: Reading, sensor: Sensor, free_flow_kmh: float | None, rules: Rules) -> JudgedReading:
    count, flags = reading.vehicle_count, reading.flags
    if count is not None and count > sensor.limit_veh:
        flags = (*flags, TOO_MANY)
    index = congestion_index(
        speed_kmh=reading.speed_kmh,
        vehicle_count=count,
        quality_flags=flags,
        free_flow_kmh=free_flow_kmh,
        capacity_veh=sensor.capacity_veh,
    )
    return JudgedReading(
        sensor.segment_id,
        reading.sensor_id,
        reading.ts_us,
        reading.arrived_us,
        index,
        count,
        violations(reading, rules),
        fingerprint(reading),
    )
