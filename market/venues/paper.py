"""The paper venue: a venue like any other, in memory, filled from live quotes.

Its owner is the gateway: `begin` with the fence of its lease, `restore` from our open orders,
then `accept_quote` for every tick. What it does not model is said in `paper_market`.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from market.domain.enums import OrderType, TimeInForce
from market.domain.messages import (
    ExecutionReport,
    OrderTerms,
    OrderTicket,
    Outcome,
    OutcomeKind,
    VenueOrder,
)
from market.domain.ticks import Quote
from market.venues.paper_market import PaperMarket
from market.venues.paper_orders import PaperOrder, ReportLog, RestingOrder, to_units

# Ended orders that the venue still answers for; a repeated client id is known among these.
REMEMBERED = 10_000

_Key = tuple[int, str]


class PaperVenue:
    """Implements `VenueClient`. One thread; deterministic: the same calls give the same reports."""

    def __init__(self) -> None:
        self._log = ReportLog(fence=0)
        self._clear()

    def _clear(self) -> None:
        self._markets: dict[int, PaperMarket] = {}
        self._live: dict[_Key, PaperOrder] = {}
        self._ended: OrderedDict[_Key, PaperOrder] = OrderedDict()
        self._number = 0

    # ------------------------------------------------------------------ for its owner

    def begin(self, fence: int) -> None:
        """Forget everything and trade under a new fence: trade ids never repeat."""
        self._log = ReportLog(fence=fence)
        self._clear()

    def restore(self, orders: Sequence[RestingOrder]) -> None:
        """Put our open orders back, in the given order of time."""
        for resting in orders:
            ticket = resting.ticket
            order = self._new_order(ticket)
            order.venue_order_id = resting.venue_order_id or order.venue_order_id
            order.filled = to_units(resting.filled_quantity)
            order.is_triggered = resting.is_triggered
            order.revision = resting.revision
            self._live[_key_of(ticket)] = order
            self._market(ticket.instrument_token).restore(order)

    def accept_quote(self, quote: Quote) -> None:
        """Match the resting orders of an instrument against a new quote."""
        market = self._market(quote.instrument_token)
        market.accept_quote(quote)
        self._forget_ended(market)

    def has_reports(self) -> bool:
        """Say whether anything happened since the reports were taken."""
        return bool(self._log.reports)

    # ------------------------------------------------------------------ VenueClient

    def send(self, tickets: Sequence[OrderTicket], *, now: datetime) -> list[Outcome]:
        """Take orders in; what fills at once is reported at once."""
        return [self._send(ticket, now) for ticket in tickets]

    def cancel(
        self, venue_account_id: int, client_order_ids: Sequence[str], *, now: datetime
    ) -> list[Outcome]:
        """Cancel live orders; the CANCELLED report is written at once."""
        return [self._cancel((venue_account_id, each), now) for each in client_order_ids]

    def modify(
        self,
        ticket: OrderTicket,
        *,
        terms: OrderTerms,
        now: datetime,
    ) -> Outcome:
        """Change a live order; quantity is the new total. A limit may become a market order."""
        order = self._live.get(_key_of(ticket))
        refusal = _refusal_of_change(order, terms)
        if order is None or refusal:
            return _refused(ticket.client_order_id, *refusal.split(": ", 1))
        changed = self._changed_order(order, terms)
        market = self._market(ticket.instrument_token)
        kept = market.change(order, changed, at=now)
        self._live[_key_of(ticket)] = kept
        self._forget_ended(market)
        return Outcome(ticket.client_order_id, OutcomeKind.ACCEPTED, kept.venue_order_id)

    def query(self, venue_account_id: int, client_order_id: str) -> VenueOrder | None:
        """Return an order that is live, or among the last that ended."""
        key = venue_account_id, client_order_id
        order = self._live.get(key) or self._ended.get(key)
        return None if order is None else order.described()

    def open_orders(self, venue_account_id: int) -> list[VenueOrder]:
        """List the live orders of an account."""
        return [
            order.described()
            for (account, _), order in self._live.items()
            if account == venue_account_id
        ]

    def take_reports(self) -> list[ExecutionReport]:
        """Return what happened since the last call, oldest first."""
        return self._log.take()

    # ------------------------------------------------------------------ inside

    def _send(self, ticket: OrderTicket, now: datetime) -> Outcome:
        key = _key_of(ticket)
        if key in self._live or key in self._ended:
            return Outcome(ticket.client_order_id, OutcomeKind.DUPLICATE)
        market = self._market(ticket.instrument_token)
        if market.quote is None and _needs_a_price(ticket):
            return _refused(ticket.client_order_id, "NO_PRICE", "there is no price to trade at yet")
        order = self._new_order(ticket)
        self._live[key] = order
        market.arrive(order)
        self._forget_ended(market)
        return Outcome(ticket.client_order_id, OutcomeKind.ACCEPTED, order.venue_order_id)

    def _cancel(self, key: _Key, now: datetime) -> Outcome:
        order = self._live.get(key)
        if order is None:
            return _refused(key[1], "ORDER_NOT_OPEN", "the order is not open at the venue")
        market = self._market(order.ticket.instrument_token)
        market.cancel(order, at=now)
        self._forget_ended(market)
        return Outcome(key[1], OutcomeKind.ACCEPTED, order.venue_order_id)

    def _new_order(self, ticket: OrderTicket) -> PaperOrder:
        self._number += 1
        return PaperOrder(
            ticket=ticket,
            venue_order_id=f"V{self._log.fence}-{self._number}",
            number=self._number,
            quantity=to_units(ticket.quantity),
            price=None if ticket.order_type in {OrderType.MARKET, OrderType.SL_M} else ticket.price,
            trigger_price=ticket.trigger_price,
            model=ticket.fill_model,
        )

    def _changed_order(self, order: PaperOrder, terms: OrderTerms) -> PaperOrder:
        self._number += 1
        # What has met its trigger keeps it, unless it becomes an order without one.
        is_triggered = order.is_triggered and terms.order_type.is_stop
        trigger_price = order.trigger_price if is_triggered else terms.trigger_price
        ticket = replace(
            order.ticket,
            quantity=terms.quantity,
            order_type=terms.order_type,
            time_in_force=terms.time_in_force,
            price=terms.price,
            trigger_price=trigger_price,
            protection_price=terms.protection_price,
            expires_at=terms.expires_at,
        )
        return PaperOrder(
            ticket=ticket,
            venue_order_id=order.venue_order_id,
            number=self._number,
            quantity=to_units(terms.quantity),
            price=terms.price,
            trigger_price=trigger_price,
            model=order.model,
            filled=order.filled,
            revision=order.revision,
            is_triggered=is_triggered,
        )

    def _market(self, token: int) -> PaperMarket:
        market = self._markets.get(token)
        if market is None:
            market = self._markets[token] = PaperMarket(self._log)
        return market

    def _forget_ended(self, market: PaperMarket) -> None:
        for order in market.take_ended():
            key = _key_of(order.ticket)
            # A changed order ends under its old number and lives on under a new one.
            if self._live.get(key) is order:
                del self._live[key]
                self._ended[key] = order
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)


def _key_of(ticket: OrderTicket) -> _Key:
    return ticket.venue_account_id, ticket.client_order_id


def _needs_a_price(ticket: OrderTicket) -> bool:
    return ticket.order_type is OrderType.MARKET or (
        ticket.order_type is OrderType.LIMIT and ticket.time_in_force is TimeInForce.IOC
    )


def _refused(client_order_id: str, code: str, message: str) -> Outcome:
    return Outcome(client_order_id, OutcomeKind.REJECTED, code=code, message=message)


def _refusal_of_change(order: PaperOrder | None, terms: OrderTerms) -> str:
    if order is None:
        return "ORDER_NOT_OPEN: the order is not open at the venue"
    if to_units(terms.quantity) <= order.filled:
        return "QUANTITY_FILLED: as much is filled already"
    old, new = order.ticket.order_type, terms.order_type
    if (terms.price is not None, terms.trigger_price is not None) != (new.has_price, new.is_stop):
        return f"ORDER_TYPE: a price or trigger is missing or too many for {new}"
    if order.is_triggered and new.is_stop and new is not old:
        return f"TRIGGERED: the trigger was met: {old} can only become LIMIT or MARKET"
    return ""
