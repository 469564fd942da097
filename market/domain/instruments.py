"""What the rest of the system needs to know of an instrument, without a database."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from market.domain.enums import Calendar, InstrumentKind


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """Trading rules of one instrument; prices in quote asset, quantities in units."""

    instrument_token: int
    exchange: str
    tradingsymbol: str
    kind: InstrumentKind
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    max_quantity: Decimal | None
    lower_circuit: Decimal | None
    upper_circuit: Decimal | None
    calendar: Calendar
    freshness_limit: timedelta
    is_tradable: bool

    @property
    def symbol(self) -> str:
        """Return the key used on the wire and in configs, for example `NSE:ONGC`."""
        return f"{self.exchange}:{self.tradingsymbol}"

    def is_on_tick(self, price: Decimal) -> bool:
        """Say whether a price is a multiple of the tick size."""
        return price % self.tick_size == 0

    def is_on_lot(self, quantity: Decimal) -> bool:
        """Say whether a quantity is a multiple of the lot size."""
        return quantity % self.lot_size == 0

    def nearest_tick(self, price: Decimal) -> Decimal:
        """Round to the nearest tick, half up (bots.md 1.1, grid levels)."""
        return to_step(price, step=self.tick_size, rounding=ROUND_HALF_UP)

    def floor_tick(self, price: Decimal) -> Decimal:
        """Round down to a tick."""
        return to_step(price, step=self.tick_size, rounding=ROUND_FLOOR)

    def ceil_tick(self, price: Decimal) -> Decimal:
        """Round up to a tick."""
        return to_step(price, step=self.tick_size, rounding=ROUND_CEILING)

    def floor_lot(self, quantity: Decimal) -> Decimal:
        """Round a quantity down to a lot."""
        return to_step(quantity, step=self.lot_size, rounding=ROUND_FLOOR)

    def ceil_lot(self, quantity: Decimal) -> Decimal:
        """Round a quantity up to a lot."""
        return to_step(quantity, step=self.lot_size, rounding=ROUND_CEILING)


def to_step(value: Decimal, *, step: Decimal, rounding: str) -> Decimal:
    """Round a value to a multiple of `step` by a `decimal` rounding mode."""
    return (value / step).to_integral_value(rounding=rounding) * step
