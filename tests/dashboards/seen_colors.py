"""How well colours are told apart, by WCAG 2."""

import re


def channels(color: str) -> tuple[int, ...]:
    """Return red, green and blue of `#rrggbb` or `rgb(r, g, b)`, each 0 to 255."""
    if color.startswith("#"):
        return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))
    return tuple(int(part) for part in re.findall(r"\d+", color)[:3])


def luminance(color: str) -> float:
    """Return the relative luminance of a colour."""
    parts = [part / 255 for part in channels(color)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)
