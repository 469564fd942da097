"""Itemised charges of an Indian equity order, as a contract note lists them (decisions 31).

The rates are data (`ChargeRates` rows, each with its source); this is only how they are applied:

* brokerage: a fraction of the value, at most the cap, per executed order and not per fill;
* transaction tax (STT): delivery on both sides, intraday on the sell;
* exchange turnover charge: what the exchange takes and what it collects for its investor
  protection fund (IPFT), shown as one sum;
* SEBI turnover charge; stamp duty on the buy;
* GST on brokerage, exchange charge and SEBI charge; not on the protection fund's part. Checked
  against the published sample of a virtual contract note, which comes out so to the last digit.

Nothing is rounded beyond the ledger's twelfth decimal (decisions 2): contract notes round tax and
stamp duty of a whole day to the rupee, one order's charges do not. Not modelled: the exchanges'
dearer groups of shares (X, XT, Z and so on), the depository's fee per sale, and that a delivery
bought and sold on one day is taxed as intraday; the product of the order decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from market.domain.enums import Product, Side
from portfolio.domain.fees import ZERO, to_ledger
from portfolio.exceptions import InvalidOrder

# Decimals of a rate that holds are computed with (`Order.hold_fee_rate`).
_RATE_STEP = Decimal("0.00000001")


class Segment(StrEnum):
    """What an equity order counts as."""

    DELIVERY = "DELIVERY"
    INTRADAY = "INTRADAY"


def segment_of(product: Product) -> Segment:
    """Return what an order of a product counts as."""
    return Segment.INTRADAY if product is Product.MIS else Segment.DELIVERY


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of one day; fractions of the traded value, the cap in rupees per order."""

    brokerage: Decimal
    brokerage_cap: Decimal
    tax_buy: Decimal
    tax_sell: Decimal
    exchange_turnover: Decimal
    investor_protection: Decimal
    sebi: Decimal
    stamp_buy: Decimal
    gst: Decimal

    def worst(self, side: Side) -> Decimal:
        """Return the largest part of its value that a trade can cost, as if there were no cap."""
        with_gst = self.brokerage + self.exchange_turnover + self.sebi
        buys = side is Side.BUY
        taxes = self.tax_buy + self.stamp_buy if buys else self.tax_sell
        rate = with_gst * (1 + self.gst) + self.investor_protection + taxes
        return rate.quantize(_RATE_STEP, rounding=ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Charges:
    """What an order or a fill costs, item by item, in rupees at the ledger's scale."""

    brokerage: Decimal = ZERO
    transaction_tax: Decimal = ZERO
    exchange_turnover: Decimal = ZERO
    sebi_turnover: Decimal = ZERO
    stamp_duty: Decimal = ZERO
    gst: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Return the sum of all items."""
        return sum((getattr(self, name) for name in _ITEMS), ZERO)

    @property
    def turnover(self) -> Decimal:
        """Return what exchange and SEBI take together."""
        return self.exchange_turnover + self.sebi_turnover

    def __add__(self, other: "Charges") -> "Charges":
        """Return the charges of both."""
        return Charges(*(getattr(self, name) + getattr(other, name) for name in _ITEMS))

    def __sub__(self, other: "Charges") -> "Charges":
        """Return what is left of the charges without the others."""
        return Charges(*(getattr(self, name) - getattr(other, name) for name in _ITEMS))


_ITEMS = tuple(field.name for field in fields(Charges))
NO_CHARGES = Charges()


def order_charges(side: Side, value: Decimal, rates: Rates) -> Charges:
    """Return the charges of an order of which this value has traded."""
    buys = side is Side.BUY
    brokerage = min(value * rates.brokerage, rates.brokerage_cap)
    exchange, sebi = value * rates.exchange_turnover, value * rates.sebi
    return Charges(
        brokerage=to_ledger(brokerage),
        transaction_tax=to_ledger(value * (rates.tax_buy if buys else rates.tax_sell)),
        exchange_turnover=to_ledger(exchange + value * rates.investor_protection),
        sebi_turnover=to_ledger(sebi),
        stamp_duty=to_ledger(value * rates.stamp_buy) if buys else ZERO,
        gst=to_ledger(rates.gst * (brokerage + exchange + sebi)),
    )


def fill_charges(side: Side, value: Decimal, rates: Rates, *, before: Decimal) -> Charges:
    """Return the charges of one fill of an order that had traded `before` in value.

    They are what the order costs more than it did, so the fills of an order add up to it exactly.
    """
    return order_charges(side, before + value, rates) - order_charges(side, before, rates)


@dataclass(frozen=True, slots=True)
class DatedRates:
    """Rates of an exchange and segment from a moment on, until the next row."""

    exchange: str
    segment: Segment
    valid_from: datetime
    rates: Rates


@dataclass(frozen=True, slots=True)
class ChargeTable:
    """All rates there are, past and announced."""

    rows: tuple[DatedRates, ...]

    def at(self, exchange: str, segment: Segment, moment: datetime) -> Rates:
        """Return the rates of a moment; before the first row, as in old recordings, the first.

        Raises `InvalidOrder` where the exchange has none at all.
        """
        return self._from(exchange, segment, moment)[0].rates

    def worst(self, side: Side, exchange: str, segment: Segment, *, since: datetime) -> Decimal:
        """Return what of its value a trade can cost, by these rates or announced ones."""
        return max(row.rates.worst(side) for row in self._from(exchange, segment, since))

    def _from(self, exchange: str, segment: Segment, moment: datetime) -> Sequence[DatedRates]:
        """Return the rates of a moment and those that follow."""
        found = [row for row in self.rows if (row.exchange, row.segment) == (exchange, segment)]
        if not found:
            message = f"There are no charge rates for {exchange}, {segment.lower()}"
            raise InvalidOrder(message, field="exchange", code="NOT_OFFERED")
        found.sort(key=lambda row: row.valid_from)
        past = sum(row.valid_from <= moment for row in found)
        return found[max(past - 1, 0) :]
