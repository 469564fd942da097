"""Fees: what a trade costs, and in which asset it is paid (bots.md 1.1, decisions 31)."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from market.domain.enums import FeeMode, Liquidity, Side

_STEP = Decimal("0.000000000001")
ZERO = Decimal(0)


def to_ledger(amount: Decimal) -> Decimal:
    """Round half up at the twelfth decimal, the ledger's scale for every asset."""
    return amount.quantize(_STEP, rounding=ROUND_HALF_UP)


def fee_of(quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Return the fee in quote asset; `rate` is a fraction of the traded value."""
    return to_ledger(quantity * price * rate)


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Rates of a venue account, fractions of traded value, and what a buy pays them in."""

    maker: Decimal
    taker: Decimal
    mode: FeeMode

    def of(self, liquidity: Liquidity) -> Decimal:
        """Return the rate of a fill."""
        return self.maker if liquidity is Liquidity.MAKER else self.taker


@dataclass(frozen=True, slots=True)
class FillFee:
    """The fee of one fill; one of both is zero."""

    quote: Decimal
    base: Decimal

    @property
    def amount(self) -> Decimal:
        """Return the fee in whichever asset it is paid."""
        return self.base or self.quote


def fill_fee(
    side: Side, quantity: Decimal, price: Decimal, *, rate: Decimal, mode: FeeMode
) -> FillFee:
    """Return the fee of a fill: a buy in received mode pays units, everything else pays quote."""
    if side is Side.BUY and mode is FeeMode.RECEIVED:
        return FillFee(quote=ZERO, base=to_ledger(quantity * rate))
    return FillFee(quote=fee_of(quantity, price, rate), base=ZERO)
