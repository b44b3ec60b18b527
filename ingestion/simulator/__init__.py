"""A simulated city that sends readings like a real one: the same seed gives the same bytes on every machine."""

from ingestion.simulator.documents import readings
from ingestion.simulator.network import DEMO_SENSORS, City, city, registry_csv

__all__ = ["DEMO_SENSORS", "City", "city", "readings", "registry_csv"]
