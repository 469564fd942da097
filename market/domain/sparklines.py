"""A price's recent way as the points of a small line."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

WIDTH, HEIGHT = 120, 32
# The line keeps clear of the edges, where half of its width would be cut.
_EDGE = 2
_TENTH = Decimal("0.1")


def line_points(values: Sequence[Decimal]) -> str:
    """Return the points of a line through the values, as SVG wants them; none for less than two."""
    if len(values) < 2:
        return ""
    lowest, highest = min(values), max(values)
    spread = highest - lowest
    step = Decimal(WIDTH) / (len(values) - 1)
    inner = HEIGHT - 2 * _EDGE
    points = []
    for place, value in enumerate(values):
        share = (highest - value) / spread if spread else Decimal("0.5")
        points.append(f"{_rounded(place * step)},{_rounded(_EDGE + share * inner)}")
    return " ".join(points)


def _rounded(value: Decimal) -> str:
    return format(value.quantize(_TENTH, rounding=ROUND_HALF_UP).normalize(), "f")
