"""Errors that a person can act on: one clear sentence each, printed by the command, which then ends with a code."""


class UsageError(ValueError):
    """What was given cannot be used (exit code 2)."""


class FailedError(RuntimeError):
    """Something did not succeed (exit code 1)."""
