"""Real-time alerts: from readings to one event per change of a segment's congestion.

Pure: `congestion_index` (one reading), `machine` (one segment), `episodes` (events of a segment, for the batch twin).
"""
