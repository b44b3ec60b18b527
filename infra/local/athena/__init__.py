"""The Athena API in front of Trino, for the laptop's endpoint."""
