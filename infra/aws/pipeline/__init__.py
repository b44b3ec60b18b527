"""The hourly run and the daily jobs."""
