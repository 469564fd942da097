"""A venue in memory that fills at the last trade, by the path rule of bots.md 1.2."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bots.domain.strategy import EndKind, OrderEnded, OrderFilled, PlaceOrder
from market.domain.enums import FeeMode, Side, TimeInForce
from market.domain.instruments import InstrumentSpec
from portfolio.domain.fees import fill_fee


@dataclass(frozen=True, slots=True)
class VenueTerms:
    """What the venue trades and charges."""

    spec: InstrumentSpec
    maker_fee: Decimal
    taker_fee: Decimal
    fee_mode: FeeMode


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """A limit order at the venue; its price in ticks."""

    order: PlaceOrder
    ticks: int


class LastTradeVenue:
    """Resting orders of one bot on one instrument, and orders waiting for this tick's price."""

    def __init__(self, terms: VenueTerms) -> None:
        self.terms = terms
        self._buys: dict[str, RestingOrder] = {}
        self._sells: dict[str, RestingOrder] = {}
        self._immediate: list[PlaceOrder] = []
        self._trades = 0

    def place(self, order: PlaceOrder) -> None:
        """Take an order: limit orders rest from the next tick on, others wait for this one."""
        if order.time_in_force is TimeInForce.IOC or order.price is None:
            self._immediate.append(order)
            return
        resting = RestingOrder(order, int(order.price / self.terms.spec.tick_size))
        self._side(order.side)[order.slot_ref] = resting

    def cancel(self, ref: str, *, time: datetime) -> OrderEnded | None:
        """End an order that has not been filled."""
        is_ours = self._buys.pop(ref, None) or self._sells.pop(ref, None)
        for order in [each for each in self._immediate if each.slot_ref == ref]:
            self._immediate.remove(order)
            return self._ended(ref, time=time)
        return self._ended(ref, time=time) if is_ours else None

    def orders(self) -> list[PlaceOrder]:
        """Return the orders that rest."""
        return [resting.order for resting in (*self._buys.values(), *self._sells.values())]

    @property
    def has_immediate(self) -> bool:
        """Say whether an order waits for this tick's price."""
        return bool(self._immediate)

    @property
    def highest_buy(self) -> int | None:
        """Return the price in ticks at or below which something fills."""
        return max((resting.ticks for resting in self._buys.values()), default=None)

    @property
    def lowest_sell(self) -> int | None:
        """Return the price in ticks at or above which something fills."""
        return min((resting.ticks for resting in self._sells.values()), default=None)

    def match(self, ticks: int, *, previous: int, time: datetime) -> list[OrderFilled]:
        """Fill what one tick crosses: completely, at the limit, nearest to the last price first."""
        crossed = [resting for resting in self._buys.values() if ticks <= resting.ticks]
        crossed += [resting for resting in self._sells.values() if ticks >= resting.ticks]
        if len(crossed) > 1:
            crossed.sort(key=lambda resting: abs(resting.ticks - previous))
        fills = []
        for resting in crossed:
            order = resting.order
            del self._side(order.side)[order.slot_ref]
            if order.price is not None:
                rate = self.terms.maker_fee
                fills.append(self._fill(order, price=order.price, rate=rate, time=time))
        return fills

    def match_immediate(
        self, price: Decimal, *, time: datetime
    ) -> Iterator[OrderFilled | OrderEnded]:
        """Fill or end the orders that wait for this tick's price."""
        waiting, self._immediate = self._immediate, []
        for order in waiting:
            if _is_satisfied(order, price):
                yield self._fill(order, price=price, rate=self.terms.taker_fee, time=time)
            else:
                yield self._ended(order.slot_ref, time=time)

    def _side(self, side: Side) -> dict[str, RestingOrder]:
        return self._buys if side is Side.BUY else self._sells

    def _fill(
        self, order: PlaceOrder, *, price: Decimal, rate: Decimal, time: datetime
    ) -> OrderFilled:
        terms = self.terms
        fee = fill_fee(order.side, order.quantity, price, rate=rate, mode=terms.fee_mode)
        self._trades += 1
        return OrderFilled(
            slot_ref=order.slot_ref,
            quantity=order.quantity,
            price=price,
            fee=fee.amount,
            fee_asset=terms.spec.base_asset if fee.base else terms.spec.quote_asset,
            cumulative=order.quantity,
            is_complete=True,
            time=time,
            trade_ref=f"T{self._trades}",
        )

    def _ended(self, ref: str, *, time: datetime) -> OrderEnded:
        return OrderEnded(
            slot_ref=ref,
            kind=EndKind.CANCELLED,
            cumulative=Decimal(0),
            code="",
            message="",
            time=time,
        )


def _is_satisfied(order: PlaceOrder, price: Decimal) -> bool:
    limit = order.price if order.price is not None else order.worst_price
    if limit is None:
        return True
    return price <= limit if order.side is Side.BUY else price >= limit
