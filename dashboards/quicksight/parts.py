"""What a piece of a spec becomes: visuals, and what a dashboard must declare for them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

Definition = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """Definitions in the words of the API. `visuals` come with their share of the grid's 36 columns."""

    visuals: tuple[tuple[Definition, int, int], ...] = ()
    calculated: tuple[Definition, ...] = ()
    parameters: tuple[Definition, ...] = ()
    controls: tuple[Definition, ...] = ()
    filter_groups: tuple[Definition, ...] = ()


def together(parts: Iterable[Parts]) -> Parts:
    """Return several as one; what is declared twice alike is there once."""
    every = list(parts)
    joined = {
        field.name: _unique(item for part in every for item in getattr(part, field.name)) for field in fields(Parts)
    }
    return Parts(**joined)


def _unique(items: Iterable[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return tuple(found)
