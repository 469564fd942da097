"""Numbers as people and programs write them; pure.

Money is typed here: what could be meant in two ways (0,5 or 1,5) is no number at all.
"""

import re
from decimal import Decimal
from typing import Final

_PLAIN: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
# 1,234,567.5 or 12,34,567.5: every group is full and the first does not begin with 0.
_WESTERN: Final = re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_INDIAN: Final = re.compile(r"-?[1-9][0-9]?(?:,[0-9]{2})*,[0-9]{3}(?:\.[0-9]+)?")


def plain_number(text: str) -> Decimal | None:
    """Return a number written in plain decimals, without grouping or exponent; else None."""
    told = text.strip()
    return Decimal(told) if _PLAIN.fullmatch(told) else None


def ungrouped(text: str) -> str:
    """Return a text without the commas of exactly right grouping; any other text as it is."""
    told = text.strip()
    if _WESTERN.fullmatch(told) or _INDIAN.fullmatch(told):
        return told.replace(",", "")
    return text


def typed_number(text: str) -> Decimal | None:
    """Return the number that somebody typed, grouped or not; None where it is not one."""
    return plain_number(ungrouped(text))
