"""The registry of sensors: read and checked row by row, then merged into its history in the lake.

`read_registry` and `check_rows` need the standard library only; `load_registry` (in `ingestion.registry.load`)
needs pyiceberg and is imported where it is used.
"""

from ingestion.registry.rows import Finding, RegistryRow, check_rows, read_registry

__all__ = ["Finding", "RegistryRow", "check_rows", "read_registry"]
