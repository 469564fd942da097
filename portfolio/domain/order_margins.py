"""What orders need set aside before they are placed: the rule of the margin calculators.

Nothing is traded on credit (decisions 30), so an order needs the whole worth of every unit by which
it opens a position, and nothing for a unit by which it closes one:

* a buy needs quantity x price, its limit or the worst that the market may make of it; units that
  are short in the intraday book are bought back with what is set aside for them already;
* a sale of units held needs nothing; beyond them a unit needs the highest price that its sale is
  planned at, which is what an intraday book sets aside for it. A CNC sale beyond the units held is
  counted so as well, though placing it will be refused.

Charges are not part of it: they stand beside, at the same price (the limit, where there is one).

A basket is counted twice, in the order of its rows. `initial`: rows use up what is held and never
help one another. `final`: a sale may also close what a row before it has bought, and the reverse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from market.domain.enums import OrderType, Product, Side
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from portfolio.domain.charges import Charges
from portfolio.domain.drafts import Draft, protection_of
from portfolio.domain.fees import ZERO, to_ledger
from portfolio.domain.margin import margin_price

_PRICED = frozenset({OrderType.LIMIT, OrderType.SL})
_TRIGGERED = frozenset({OrderType.SL, OrderType.SL_M})

# An instrument in the book of a product.
Place = tuple[int, Product]
# Units free to sell; below zero, units that are short.
Units = Mapping[Place, Decimal]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that nobody has placed yet."""

    instrument: InstrumentSpec
    side: Side
    order_type: OrderType
    product: Product
    quantity: Decimal
    price: Decimal = ZERO
    trigger_price: Decimal = ZERO

    @property
    def place(self) -> Place:
        """Return what its units are counted by."""
        return self.instrument.instrument_token, self.product

    @property
    def draft(self) -> Draft:
        """Return the order as it would be placed: without what its type does not have."""
        return Draft(
            instrument=self.instrument,
            side=self.side,
            order_type=self.order_type,
            product=self.product,
            quantity=self.quantity,
            price=self.price if self.order_type in _PRICED else None,
            trigger_price=self.trigger_price if self.order_type in _TRIGGERED else None,
            protection_price=None,
        )


def unit_margin(draft: Draft, quote: Quote | None) -> Decimal | None:
    """Return what each unit that an order opens needs; None where that takes a missing quote."""
    if draft.side is Side.SELL:
        return margin_price(draft, quote)
    return draft.worst_price or protection_of(draft, quote)


@dataclass(frozen=True, slots=True)
class Priced:
    """A wanted order with what one unit needs, and what it is charged."""

    order: Wanted
    each: Decimal
    charges: Charges

    def margin_of(self, units: Decimal) -> Decimal:
        """Return what so many opened units need."""
        return to_ledger(units * self.each)


@dataclass(frozen=True, slots=True)
class BasketMargin:
    """What a basket needs: row by row and together, and together with offsets."""

    rows: tuple[Decimal, ...]
    final: Decimal

    @property
    def initial(self) -> Decimal:
        """Return what the rows need together without helping one another."""
        return sum(self.rows, ZERO)


def opened(order: Wanted, units: Decimal) -> Decimal:
    """Return by how many units an order opens or enlarges a position of `units`."""
    closable = max(-units if order.side is Side.BUY else units, ZERO)
    return order.quantity - min(order.quantity, closable)


def margins_alone(orders: Iterable[Priced], held: Units) -> list[Decimal]:
    """Return what each order needs as if it were the only one."""
    return [each.margin_of(opened(each.order, held.get(each.order.place, ZERO))) for each in orders]


def basket_margin(orders: Sequence[Priced], held: Units) -> BasketMargin:
    """Return what the orders need together, placed in their order."""
    return BasketMargin(
        rows=tuple(_walk(orders, held, offsets=False)),
        final=sum(_walk(orders, held, offsets=True), ZERO),
    )


def _walk(orders: Iterable[Priced], held: Units, *, offsets: bool) -> Iterable[Decimal]:
    units = dict(held)
    for each in orders:
        order, before = each.order, units.get(each.order.place, ZERO)
        opens = opened(order, before)
        moved = order.quantity if offsets else order.quantity - opens
        units[order.place] = before + (moved if order.side is Side.BUY else -moved)
        yield each.margin_of(opens)
