"""From the stream of readings to people."""
