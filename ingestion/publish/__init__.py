"""Ways in: `kinesis` for live readings, `archive` for history. Both count what they sent, for the reconciliation."""
