"""Rows of the instrument files, as Kite writes them (kite-api.md 1.7)."""

from decimal import Decimal

from market.domain.enums import InstrumentKind
from market.domain.formatting import plain
from market.models import Instrument

RULE_COLUMNS = (
    "exchange",
    "tradingsymbol",
    "instrument_token",
    "tick_size",
    "lot_size",
    "min_quantity",
    "min_notional",
    "freeze_quantity",
    "quote_asset",
    "lower_circuit_limit",
    "upper_circuit_limit",
    "freshness_seconds",
)
# Kite has four types: what is paid and held at once is EQ, a contract without an end a future.
_TYPES = {
    InstrumentKind.INDEX: "EQ",
    InstrumentKind.SPOT: "EQ",
    InstrumentKind.PERP: "FUT",
}


def kite_row(row: Instrument, *, last_price: Decimal) -> tuple[str, ...]:
    """Return a row of Kite's file; every numeric cell is filled, a lot below one is written as 1.

    A client reads `lot_size` as a whole number (decisions 33); the file of rules has the real one.
    """
    kind = InstrumentKind(row.kind)
    return (
        str(row.instrument_token),
        str(row.exchange_token),
        row.tradingsymbol,
        row.name,
        _price(last_price),
        "" if row.expiry is None else row.expiry.isoformat(),
        _price(row.strike or Decimal(0)),
        _price(row.tick_size),
        str(max(int(row.lot_size), 1)),
        _TYPES.get(kind, kind.value),
        row.segment,
        row.exchange,
    )


def rule_row(row: Instrument) -> tuple[str, ...]:
    """Return a row of the file of rules; an empty cell is a limit that there is not."""
    return (
        row.exchange,
        row.tradingsymbol,
        str(row.instrument_token),
        plain(row.tick_size),
        plain(row.lot_size),
        plain(row.min_quantity),
        plain(row.min_notional),
        _limit(row.max_quantity),
        row.quote_asset,
        _limit(row.lower_circuit),
        _limit(row.upper_circuit),
        f"{row.freshness_limit.total_seconds():g}",
    )


def _price(value: Decimal) -> str:
    text = plain(value)
    return text if "." in text else f"{text}.0"


def _limit(value: Decimal | None) -> str:
    return "" if value is None else plain(value)
