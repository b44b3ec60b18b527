"""What Glue answers and the base emulator does not: a handler in front of the base's."""

from infra.local.base import Handler


def handler(base_glue: Handler) -> Handler:
    """Return the Glue handler that wraps the base's."""
    return base_glue
