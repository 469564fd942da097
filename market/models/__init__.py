"""Models of the market app."""

from market.models.candles import Candle
from market.models.instruments import Instrument, InstrumentSource

__all__ = ["Candle", "Instrument", "InstrumentSource"]
