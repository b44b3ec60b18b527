"""The lake: its databases, the jobs that fill it, and how it is queried."""
