"""What a venue account pays for its trades, by the kind of its schedule (decisions 31).

Ledger, holds, forms and calculators all ask here: there is no second copy of a rule.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from market.domain.enums import FeeMode, Liquidity, Product, Side
from portfolio.domain.charges import (
    Charges,
    ChargeTable,
    Rates,
    fill_charges,
    order_charges,
    segment_of,
)
from portfolio.domain.fees import ZERO, FeeRates, FillFee, fee_of, fill_fee, to_ledger


class FeeKind(StrEnum):
    """How a venue account is charged."""

    FLAT = "FLAT"
    INDIAN_EQUITY = "INDIAN_EQUITY"


@dataclass(frozen=True, slots=True)
class Deal:
    """What decides on the charges of an order or a fill: side, exchange, product and moment."""

    side: Side
    exchange: str
    product: Product
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountFees:
    """Flat rates, or with a `table` the itemised charges of Indian equities."""

    flat: FeeRates
    table: ChargeTable | None = None

    @property
    def kind(self) -> FeeKind:
        """Return the kind of the schedule."""
        return FeeKind.FLAT if self.table is None else FeeKind.INDIAN_EQUITY

    @property
    def worst_flat(self) -> Decimal:
        """Return the dearer one of the flat rates."""
        return max(self.flat.maker, self.flat.taker)

    def hold_rate(self, deal: Deal) -> Decimal:
        """Return the worst part of its value that a trade may cost in money.

        Money is held by it for buys, and collateral is set aside by it for short sales.
        """
        if self.table is not None:
            segment = segment_of(deal.product)
            return self.table.worst(deal.side, deal.exchange, segment, since=deal.at)
        pays_units = deal.side is Side.BUY and self.flat.mode is FeeMode.RECEIVED
        return ZERO if pays_units else self.worst_flat

    def of_fill(
        self,
        deal: Deal,
        quantity: Decimal,
        price: Decimal,
        *,
        liquidity: Liquidity,
        before: Decimal,
    ) -> FillFee:
        """Return the fee of a fill of an order that had traded `before` in value."""
        if self.table is None:
            rate = self.flat.of(liquidity)
            return fill_fee(deal.side, quantity, price, rate=rate, mode=self.flat.mode)
        value = to_ledger(quantity * price)
        charges = fill_charges(deal.side, value, self._rates(deal, self.table), before=before)
        return FillFee(quote=charges.total, base=ZERO)

    def of_order(self, deal: Deal, quantity: Decimal, price: Decimal) -> Charges:
        """Return what an order costs that trades at one price; a flat fee is its brokerage.

        Of maker and taker the dearer counts; a fee that is paid in units, at their worth.
        """
        if self.table is None:
            return Charges(brokerage=fee_of(quantity, price, self.worst_flat))
        value = to_ledger(quantity * price)
        return order_charges(deal.side, value, self._rates(deal, self.table))

    def _rates(self, deal: Deal, table: ChargeTable) -> Rates:
        return table.at(deal.exchange, segment_of(deal.product), deal.at)


NO_FEES = AccountFees(FeeRates(maker=ZERO, taker=ZERO, mode=FeeMode.QUOTE))
