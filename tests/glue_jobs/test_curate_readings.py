"""What curation promises of whole batches, on real Iceberg tables."""

from glue_jobs import curate_readings
from glue_jobs.curate_readings import CurateCounts


def reading(sensor_id: str, timestamp: str, **values) -> dict:
    return {"sensor_id": sensor_id, "timestamp": timestamp, "vehicle_count": 5.0, "avg_speed": 60.0} | values


def test_counts_of_a_batch_balance(batch, land):
    land(
        "2026-01-05T08:10:00",
        [
            reading("a", "2026-01-05T08:09:00Z"),
            reading("a", "2026-01-05T08:09:00Z", vehicle_count=6.0),
            reading("b", "2026-01-05T08:09:00Z", vehicle_count=-1.0),
        ],
    )
    eight = batch("2026-01-05T08", "2026-01-05T09")
    result = curate_readings.run(eight)
    assert result == CurateCounts(landed=3, curated=1, duplicates=1, rejected=1, conversion_errors=0)
    row = eight.spark.table("glue.curated.readings").collect()[0]
    assert (row.sensor_id, row.vehicle_count, row.source_row) == ("a", 6, 1)
