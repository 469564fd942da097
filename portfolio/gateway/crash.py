"""Crash points: where a fault test lets the gateway die as `kill -9` would (trust.md 4.3)."""

import os

# Read once: in a running copy the variable is empty and `crash_at` compares two texts.
_POINT = os.environ.get("FB_CRASH", "")

POINTS = (
    "T2:before",
    "T2:after",
    "S:after",
    "T3:after",
    "R:before",
    "R:after",
    "F:after",
    "C:after",
    "P:before",
    "P:after",
)


def crash_at(point: str) -> None:
    """Die here when FB_CRASH names this point."""
    if point == _POINT:
        os._exit(9)
