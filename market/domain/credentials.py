"""What opens an account at a venue, and what the venue says that it allows."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret; neither is ever printed."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def hint(self) -> str:
        """Return enough of the key to know it again by."""
        return self.key[-4:]


class Finding(StrEnum):
    """What is known of what a key may do."""

    # The venue says: it trades and cannot move money.
    TRADE_ONLY = "TRADE_ONLY"
    # It trades; the venue does not say whether it could move money.
    CANNOT_TELL = "CANNOT_TELL"
    # The venue was not asked: it has nothing to ask.
    NOT_CHECKED = "NOT_CHECKED"
    # It must not be used: it can move money, cannot trade, or does not work.
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What a venue said of a key, in words for its owner."""

    finding: Finding
    words: str
