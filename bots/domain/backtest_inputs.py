"""The config of a backtest: a vector's `inputs` (decisions 34), whole and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bots.domain.strategy import StrategyContext
from bots.exceptions import InvalidParameter
from market.domain.enums import Calendar, FeeMode, InstrumentKind
from market.domain.instruments import InstrumentSpec

DEFAULT_FEE = "0.0005"
DEFAULT_SECONDS = 60
PATH_START = datetime(2026, 1, 1, tzinfo=UTC)
INDIAN_EXCHANGES = frozenset({"NSE", "BSE"})
# What says how to run, not what the bot is to do.
RUN_FIELDS = frozenset(
    {"kind", "quote", "maker_fee", "taker_fee", "tick", "lot", "min_qty", "min_notional"}
    | {"max_qty", "tick_seconds"}
)


@dataclass(frozen=True, slots=True)
class BacktestInputs:
    """What a backtest is run with; `parameters` are the bot's own."""

    spec: InstrumentSpec
    maker_fee: Decimal
    taker_fee: Decimal
    fee_mode: FeeMode
    tick_seconds: int
    parameters: Mapping[str, Any]

    def context(self, *, price: Decimal) -> StrategyContext:
        """Return the context that the parameters are checked against."""
        return StrategyContext(
            instrument=self.spec,
            maker_fee=self.maker_fee,
            taker_fee=self.taker_fee,
            fee_mode=self.fee_mode,
            market_price=price,
            free_balance=None,
        )


def read_inputs(values: Mapping[str, Any]) -> BacktestInputs:
    """Return the inputs; raise `InvalidParameter` naming the field that is wrong."""
    fee_mode = values.get("fee_mode", FeeMode.QUOTE.value)
    if fee_mode not in set(FeeMode):
        raise InvalidParameter("Unknown fee mode", field="fee_mode", code="UNKNOWN")
    seconds = _number(values, "tick_seconds", default=str(DEFAULT_SECONDS))
    if seconds <= 0 or seconds != seconds.to_integral_value():
        raise _wrong("tick_seconds", "must be whole seconds")
    return BacktestInputs(
        spec=_spec(values),
        maker_fee=_fee(values, "maker_fee"),
        taker_fee=_fee(values, "taker_fee"),
        fee_mode=FeeMode(fee_mode),
        tick_seconds=int(seconds),
        parameters={name: value for name, value in values.items() if name not in RUN_FIELDS},
    )


def _wrong(field: str, words: str, *, code: str = "NOT_A_NUMBER") -> InvalidParameter:
    return InvalidParameter(f"{field} {words}", field=field, code=code)


def _number(values: Mapping[str, Any], field: str, *, default: str | None = None) -> Decimal:
    value = values.get(field, default)
    if value is None:
        raise _wrong(field, "is required", code="REQUIRED")
    if isinstance(value, float | bool):
        raise _wrong(field, "must be a number, written as text")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise _wrong(field, "must be a number, zero or more")
    return number


def _positive(values: Mapping[str, Any], field: str) -> Decimal:
    number = _number(values, field)
    if number <= 0:
        raise _wrong(field, "must be above zero", code="BELOW_MIN")
    return number


def _fee(values: Mapping[str, Any], field: str) -> Decimal:
    fee = _number(values, field, default=DEFAULT_FEE)
    if fee >= Decimal("0.5"):
        raise _wrong(field, "is a fraction: 0.0005 is 0.05 %", code="ABOVE_MAX")
    return fee


def _spec(values: Mapping[str, Any]) -> InstrumentSpec:
    symbol = values.get("symbol")
    if not isinstance(symbol, str) or not symbol.strip():
        raise _wrong("symbol", "is required", code="REQUIRED")
    exchange, _, tradingsymbol = symbol.strip().rpartition(":")
    is_indian = exchange in INDIAN_EXCHANGES
    quote = str(values.get("quote") or ("INR" if is_indian else "USDT"))
    base = symbol if is_indian else tradingsymbol.removesuffix(quote).rstrip("-/") or tradingsymbol
    max_quantity = values.get("max_qty")
    return InstrumentSpec(
        instrument_token=1,
        exchange=exchange or "BACKTEST",
        tradingsymbol=tradingsymbol.replace("/", "").replace("-", ""),
        kind=InstrumentKind.EQ if is_indian else InstrumentKind.SPOT,
        base_asset=base,
        quote_asset=quote,
        tick_size=_positive(values, "tick"),
        lot_size=_positive(values, "lot"),
        min_quantity=_number(values, "min_qty", default="0"),
        min_notional=_number(values, "min_notional", default="0"),
        max_quantity=None if max_quantity is None else _positive(values, "max_qty"),
        lower_circuit=None,
        upper_circuit=None,
        calendar=Calendar.NSE if is_indian else Calendar.ALWAYS,
        freshness_limit=timedelta(seconds=10),
        is_tradable=True,
    )
