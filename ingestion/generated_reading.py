"""One reading, typed and judged. Made by `python -m ingestion.contract`: change the contract, not this.

It decides what `glue_jobs.parsing` decides, by the same conditions of readings.yaml, for one document at a time.
"""

from functools import cache
from typing import Any, NamedTuple

from ingestion.json_documents import COLUMN_TYPES
from ingestion.moments import LONG, arrival, event_time, known_event_time

REASONS = (
    "sensor_id_missing",
    "sensor_id_too_long",
    "sensor_id_of_another",
    "timestamp_unreadable",
    "timestamp_before_2000",
    "timestamp_in_future",
    "vehicle_count_not_whole",
    "vehicle_count_out_of_range",
    "speed_kmh_out_of_range",
    "occupancy_pct_out_of_range",
    "speed_unit_unknown",
    "no_measurement",
)
FLAGS = (
    "timestamp_without_zone",
    "timestamp_from_arrival",
    "occupancy_above_95_pct",
    "speed_above_160_kmh",
    "speed_below_8_kmh",
    "speed_zero_with_count",
    "speed_without_count",
    "occupancy_without_count",
    "device_status_not_ok",
    "reported_value_out_of_range",
)
# Every key of a reading, as sent.
KEYS = (
    "sensor_id",
    "timestamp",
    "vehicle_count",
    "avg_speed",
    "average_speed",
    "speed_unit",
    "occupancy",
    "status",
    "zone_id",
    "location_id",
    "max_capacity",
    "congestion_index",
    "temperature",
    "weather_condition",
    "battery",
    "received_at",
    "topic_sensor_id",
)
# Unit of a speed → what makes it km/h.
KMH_PER = {"km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344}
_NOTHING = dict.fromkeys(KEYS)
_double = COLUMN_TYPES["double"][1]
_string = COLUMN_TYPES["string"][1]
_new = tuple.__new__  # a named tuple's own constructor is a Python function


class Reading(NamedTuple):
    """One reading in the contract's units, instants in microseconds since 1970 (UTC); None is unknown.

    It is valid where `reasons` is empty. The count of a refused one is cut to a whole number.
    """

    sensor_id: str | None
    ts_us: int | None
    vehicle_count: int | None
    speed_kmh: float | None
    speed_unit: str | None
    occupancy_pct: float | None
    device_status: str | None
    reported_zone_id: str | None
    reported_location_id: str | None
    reported_max_capacity_veh: float | None
    reported_congestion_index: float | None
    temperature_c: float | None
    weather_condition: str | None
    battery_pct: float | None
    received_us: int | None
    topic_sensor_id: str | None
    arrived_us: int
    flags: tuple[str, ...]
    reasons: tuple[str, ...]


def reading(row: dict[str, Any], document: bytes, arrived_us: int, place: int) -> Reading:
    """Return the reading of a document's members; `place` is its position in the record.

    Raises ValueError where a value does not fit its column.
    """
    sent = _NOTHING | row
    if len(sent) != len(KEYS):
        sent = _NOTHING | {name: value for key, value in row.items() if (name := key.lower()) in _NOTHING}
    (
        sensor_id,
        sent_ts,
        vehicle_count,
        avg_speed,
        average_speed,
        sent_speed_unit,
        occupancy_pct,
        device_status,
        reported_zone_id,
        reported_location_id,
        reported_max_capacity_veh,
        reported_congestion_index,
        temperature_c,
        weather_condition,
        battery_pct,
        sent_received_at,
        topic_sensor_id,
    ) = sent.values()
    reasons = flags = 0
    if sensor_id is not None:
        if type(sensor_id) is not str:
            sensor_id = _string(sensor_id, "sensor_id", document)
        if sensor_id.strip(" ") == "":
            reasons |= 1  # sensor_id_missing
        if len(sensor_id) > 128:
            reasons |= 2  # sensor_id_too_long
    if sent_ts is not None:
        if type(sent_ts) is not int and type(sent_ts) is not str:
            sent_ts = _string(sent_ts, "timestamp", document)
    if vehicle_count is not None:
        if type(vehicle_count) is not int and type(vehicle_count) is not float:
            vehicle_count = _double(vehicle_count, "vehicle_count", document)
        if vehicle_count % 1 != 0:
            reasons |= 64  # vehicle_count_not_whole
        if vehicle_count < 0 or vehicle_count > 100000:
            reasons |= 128  # vehicle_count_out_of_range
    if avg_speed is not None:
        if type(avg_speed) is not float:
            avg_speed = _double(avg_speed, "avg_speed", document)
    if average_speed is not None:
        if type(average_speed) is not float:
            average_speed = _double(average_speed, "average_speed", document)
    speed_sent = avg_speed
    if speed_sent is None:
        speed_sent = average_speed
    if sent_speed_unit is not None:
        if type(sent_speed_unit) is not str:
            sent_speed_unit = _string(sent_speed_unit, "speed_unit", document)
    if occupancy_pct is not None:
        if type(occupancy_pct) is not float:
            occupancy_pct = _double(occupancy_pct, "occupancy", document)
        if occupancy_pct < 0 or occupancy_pct > 100:
            reasons |= 512  # occupancy_pct_out_of_range
        if occupancy_pct > 95:
            flags |= 4  # occupancy_above_95_pct
    if device_status is not None:
        if type(device_status) is not str:
            device_status = _string(device_status, "status", document)
        if (device_status not in {"", "ok", "active", "online", "good"} and device_status.strip(" ").lower() not in {"", "ok", "active", "online", "good"}):
            flags |= 256  # device_status_not_ok
    if reported_zone_id is not None:
        if type(reported_zone_id) is not str:
            reported_zone_id = _string(reported_zone_id, "zone_id", document)
    if reported_location_id is not None:
        if type(reported_location_id) is not str:
            reported_location_id = _string(reported_location_id, "location_id", document)
    if reported_max_capacity_veh is not None:
        if type(reported_max_capacity_veh) is not float:
            reported_max_capacity_veh = _double(reported_max_capacity_veh, "max_capacity", document)
        if reported_max_capacity_veh < 0:
            flags |= 512  # reported_value_out_of_range
    if reported_congestion_index is not None:
        if type(reported_congestion_index) is not float:
            reported_congestion_index = _double(reported_congestion_index, "congestion_index", document)
        if reported_congestion_index < 0 or reported_congestion_index > 100:
            flags |= 512  # reported_value_out_of_range
    if temperature_c is not None:
        if type(temperature_c) is not float:
            temperature_c = _double(temperature_c, "temperature", document)
        if temperature_c < -60 or temperature_c > 90:
            flags |= 512  # reported_value_out_of_range
    if weather_condition is not None:
        if type(weather_condition) is not str:
            weather_condition = _string(weather_condition, "weather_condition", document)
    if battery_pct is not None:
        if type(battery_pct) is not float:
            battery_pct = _double(battery_pct, "battery", document)
        if battery_pct < 0 or battery_pct > 100:
            flags |= 512  # reported_value_out_of_range
    if sent_received_at is not None:
        if type(sent_received_at) is not int and type(sent_received_at) is not str:
            sent_received_at = _string(sent_received_at, "received_at", document)
    if topic_sensor_id is not None:
        if type(topic_sensor_id) is not str:
            topic_sensor_id = _string(topic_sensor_id, "topic_sensor_id", document)
    short = type(sent_ts) is not str or len(sent_ts) < LONG
    ts_sent, ts, ts_zoned = known_event_time(sent_ts) if short else event_time(sent_ts)
    received_at, arrived_at, stand_in = None, arrived_us, arrived_us + place
    if sent_received_at is not None:
        received_at, arrived_at, stand_in = arrival(sent_received_at, arrived_us, place)
    if ts_sent is None:
        ts = stand_in
    speed_unit = None
    speed_kmh = speed_sent
    if sent_speed_unit is not None and (speed_unit := sent_speed_unit.strip(" ").lower() or None) is not None:
        speed_kmh = speed_sent * KMH_PER[speed_unit] if speed_sent is not None and speed_unit in KMH_PER else None
    if sensor_id is None:
        reasons |= 1  # sensor_id_missing
    if ts is None:
        reasons |= 8  # timestamp_unreadable
    if (vehicle_count is None and speed_sent is None) and occupancy_pct is None:
        reasons |= 2048  # no_measurement
    if not ts_zoned:
        flags |= 1  # timestamp_without_zone
    if ts_sent is None:
        flags |= 2  # timestamp_from_arrival
    if sensor_id is not None and topic_sensor_id is not None:
        if sensor_id != topic_sensor_id:
            reasons |= 4  # sensor_id_of_another
    if ts is not None:
        if ts < 946684800000000:
            reasons |= 16  # timestamp_before_2000
        if ts > arrived_at + 300000000:
            reasons |= 32  # timestamp_in_future
    if speed_kmh is not None:
        if speed_kmh < 0 or speed_kmh > 300:
            reasons |= 256  # speed_kmh_out_of_range
        if speed_kmh > 160:
            flags |= 8  # speed_above_160_kmh
        if speed_kmh < 8:
            flags |= 16  # speed_below_8_kmh
    if speed_unit is not None:
        if speed_unit not in {"km/h", "kmh", "kph", "mph"}:
            reasons |= 1024  # speed_unit_unknown
    if speed_kmh is not None and vehicle_count is not None:
        if speed_kmh == 0 and vehicle_count > 0:
            flags |= 32  # speed_zero_with_count
        if speed_kmh > 0 and vehicle_count == 0:
            flags |= 64  # speed_without_count
    if occupancy_pct is not None and vehicle_count is not None:
        if occupancy_pct > 0 and vehicle_count == 0:
            flags |= 128  # occupancy_without_count
    if type(vehicle_count) is float:
        vehicle_count = int(vehicle_count)
    values = (
        sensor_id,
        ts,
        vehicle_count,
        speed_kmh,
        speed_unit,
        occupancy_pct,
        device_status,
        reported_zone_id,
        reported_location_id,
        reported_max_capacity_veh,
        reported_congestion_index,
        temperature_c,
        weather_condition,
        battery_pct,
        received_at,
        topic_sensor_id,
        arrived_at,
        _names(FLAGS, flags) if flags else (),
        _names(REASONS, reasons) if reasons else (),
    )
    return _new(Reading, values)


@cache
def _names(names: tuple[str, ...], bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(names) if bits >> bit & 1)
