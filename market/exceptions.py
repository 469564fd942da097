"""Market errors, named by what the caller should do."""


class MarketError(Exception):
    """Root of every market error."""


class InstrumentNotFound(MarketError):
    """Ask for another instrument: this one does not exist."""


class InstrumentConflict(MarketError):
    """Refuse the row: its token belongs to another symbol."""


class QuoteUnavailable(MarketError):
    """Wait: there is no quote, or it is too old to act on."""


class SourceBusy(MarketError):
    """Wait or stop the other one: another source owns this instrument's prices."""


class UnreadableFile(MarketError):
    """Give up on the file: it cannot be read; names the file and the line."""


class VenueUnavailable(MarketError):
    """Ask again later: the venue did not answer a question; it says nothing about the order."""
