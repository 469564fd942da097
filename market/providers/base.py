"""What every source of prices offers the feed, whichever it is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from market.domain.day_figures import DayFigures
from market.domain.enums import FillModel, SourceKind
from market.domain.ticks import Quote, Tick


class PriceProvider(Protocol):
    """Ticks in, normalised and not yet numbered."""

    @property
    def source(self) -> SourceKind:
        """Return the kind of source, which candles and quotes are marked with."""
        ...

    @property
    def fill_model(self) -> FillModel:
        """Return how the paper venue may fill against these prices (decisions 7)."""
        ...

    def resume(self, quote: Quote) -> None:
        """Go on from the last quote that this source left behind."""
        ...

    def opening(self, token: int, *, moment: datetime) -> DayFigures | None:
        """Return the day's figures before a moment, where the source knows them."""
        ...

    def poll(self, tokens: Iterable[int], *, moment: datetime) -> list[Tick]:
        """Return the ticks that have come for these instruments, oldest first."""
        ...
