"""What the gateway's tests share: a stage with one account, prices, and a scripted venue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from market.domain.enums import FillModel, OrderType, Side, SourceKind, TimeInForce
from market.domain.messages import (
    ExecutionReport,
    OrderTicket,
    Outcome,
    OutcomeKind,
    ReportKind,
    VenueOrder,
)
from market.domain.ticks import Quote
from market.exceptions import VenueUnavailable
from market.models import Instrument
from market.services.instruments import seed_instruments
from market.venues.paper import PaperVenue
from portfolio.gateway import Gateway
from portfolio.models import Book, Order, VenueAccount
from portfolio.services.accounts import open_paper_accounts
from portfolio.services.orders import OrderRequest, PlacedOrder, place_orders

PRICE = Decimal(262)


def nothing() -> None:
    """Take the place of the hint to the gateway: the tests pump by hand."""


def quote_of(token: int, price: Any, *, now: datetime, sequence: int = 1) -> Quote:
    """Return a fresh LAST_TRADE quote."""
    price = Decimal(price)
    return Quote(
        instrument_token=token,
        source=SourceKind.SIMULATED,
        run="test",
        fill_model=FillModel.LAST_TRADE,
        sequence=sequence,
        last_price=price,
        last_quantity=Decimal(10),
        volume=Decimal(1000),
        open=price,
        high=price,
        low=price,
        previous_close=price,
        exchange_time=now,
        received_at=now,
        depth=None,
    )


@dataclass
class Stage:
    """One user's INR account with its Manual book, trading ONGC around 262."""

    account: VenueAccount
    book: Book
    instrument: Instrument
    now: datetime
    price: Decimal = PRICE

    @property
    def quote(self) -> Quote:
        """Return the newest quote."""
        return quote_of(self.instrument.pk, self.price, now=self.now)

    def place(self, *prices: Any, side: Side = Side.BUY, **fields: Any) -> list[PlacedOrder]:
        """Place a limit order of ten at each price."""
        requests = [self.request(price, side=side, **fields) for price in prices]
        with transaction.atomic(durable=True):
            return place_orders(
                self.book.pk,
                requests,
                quotes={self.instrument.pk: self.quote},
                now=self.now,
                enqueue=nothing,
            )

    def request(self, price: Any, *, side: Side = Side.BUY, **fields: Any) -> OrderRequest:
        """Return a request; a price of None is a market order."""
        values = {
            "instrument": self.instrument.spec,
            "side": side,
            "order_type": OrderType.MARKET if price is None else OrderType.LIMIT,
            "quantity": Decimal(10),
            "time_in_force": TimeInForce.GTC,
            "price": None if price is None else Decimal(price),
        }
        return OrderRequest(**{**values, **fields})

    def statuses(self) -> list[str]:
        """Return the states of all orders, oldest first."""
        return list(Order.objects.order_by("id").values_list("status", flat=True))

    def pass_time(self, seconds: float) -> datetime:
        """Let time pass; return the new time."""
        self.now += timedelta(seconds=seconds)
        return self.now


def set_stage(user: Any, now: datetime) -> Stage:
    """Seed instruments and open the user's paper accounts."""
    seed_instruments()
    account, _ = open_paper_accounts(user, now=now)
    instrument = Instrument.objects.get(exchange="NSE", tradingsymbol="ONGC")
    return Stage(account, account.books.get(), instrument, now)


class Driver:
    """A gateway with its paper venue, driven by hand."""

    def __init__(self, stage: Stage, *, venue: Any = None, owner: str = "test", **fields: Any):
        self.stage = stage
        self.venue = venue or PaperVenue()
        self.told: list[int] = []
        self.gateway = Gateway(
            self.venue, shard=0, owner=owner, on_book_event=self.told.append, **fields
        )

    def start(self) -> bool:
        """Start and show the venue the price."""
        started = self.gateway.start(self.stage.now)
        if started:
            self.gateway.on_quotes([self.stage.quote], self.stage.now)
        return started

    def settle(self) -> int:
        """Pump until quiet; return how much happened."""
        total = 0
        for _ in range(1000):
            done = self.gateway.pump(self.stage.now)
            if not done:
                return total
            total += done
        raise AssertionError("the gateway never comes to rest")

    def tick(self, price: Any) -> int:
        """Move the price and let everything happen."""
        self.stage.price = Decimal(price)
        self.gateway.on_quotes([self.stage.quote], self.stage.now)
        return self.settle()


@dataclass
class ScriptedVenue:
    """Stands in for an exchange that we cannot reach: answers by script, keeps what it took.

    `script` gives for each ticket in turn what is done with it; after its end everything is
    accepted. "lost" takes the order and says nothing, "late" takes it after `arrive_late`.
    """

    script: list[str] = field(default_factory=list)
    taken: dict[tuple[int, str], OrderTicket] = field(default_factory=dict)
    sends: list[str] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    reports: list[ExecutionReport] = field(default_factory=list)
    late: list[OrderTicket] = field(default_factory=list)
    is_down: bool = False
    before_answer: Callable[[], None] = nothing
    count: int = 0

    def send(self, tickets: Sequence[OrderTicket], *, now: datetime) -> list[Outcome]:
        """Do with each ticket what the script says."""
        return [self._send(ticket) for ticket in tickets]

    def _send(self, ticket: OrderTicket) -> Outcome:
        self.sends.append(ticket.client_order_id)
        act = self.script.pop(0) if self.script else "ok"
        key = ticket.venue_account_id, ticket.client_order_id
        kinds = {
            "ok": OutcomeKind.ACCEPTED,
            "lost": OutcomeKind.UNKNOWN,
            "dropped": OutcomeKind.UNKNOWN,
            "late": OutcomeKind.UNKNOWN,
            "not sent": OutcomeKind.NOT_SENT,
            "busy": OutcomeKind.RATE_LIMITED,
            "refused": OutcomeKind.REJECTED,
        }
        kind = kinds[act]
        if key in self.taken:
            kind = OutcomeKind.DUPLICATE
        elif act in {"ok", "lost"}:
            self.taken[key] = ticket
        elif act == "late":
            self.late.append(ticket)
        self.before_answer()
        known = kind is OutcomeKind.ACCEPTED
        return Outcome(
            ticket.client_order_id,
            kind,
            venue_order_id=f"X{len(self.sends)}" if known else "",
            code="NO_MARGIN" if kind is OutcomeKind.REJECTED else "",
            retry_after=3.0 if kind is OutcomeKind.RATE_LIMITED else 0.0,
        )

    def arrive_late(self) -> None:
        """Take the orders that were still under way."""
        for ticket in self.late:
            self.taken[ticket.venue_account_id, ticket.client_order_id] = ticket
        self.late.clear()

    def fill(self, client_order_id: str, *, at: datetime) -> None:
        """Trade an order completely at its price."""
        ticket = next(t for key, t in self.taken.items() if key[1] == client_order_id)
        del self.taken[ticket.venue_account_id, client_order_id]
        self._report(ticket, ReportKind.TRADE, at)

    def _report(self, ticket: OrderTicket, kind: ReportKind, at: datetime) -> None:
        self.count += 1
        traded = ticket.quantity if kind is ReportKind.TRADE else Decimal(0)
        self.reports.append(
            ExecutionReport(
                kind=kind,
                dedupe_key=f"S{self.count}",
                venue_account_id=ticket.venue_account_id,
                client_order_id=ticket.client_order_id,
                venue_order_id="X",
                exchange_time=at,
                venue_trade_id=f"S{self.count}" if traded else "",
                quantity=traded,
                price=ticket.price,
                cumulative_quantity=traded,
            )
        )

    def cancel(
        self, venue_account_id: int, client_order_ids: Sequence[str], *, now: datetime
    ) -> list[Outcome]:
        """Cancel what rests."""
        self.cancels += client_order_ids
        outcomes = []
        for each in client_order_ids:
            ticket = self.taken.pop((venue_account_id, each), None)
            kind = OutcomeKind.REJECTED if ticket is None else OutcomeKind.ACCEPTED
            if ticket is not None:
                self._report(ticket, ReportKind.CANCELLED, now)
            outcomes.append(Outcome(each, kind, message="not open here"))
        return outcomes

    def modify(self, ticket: OrderTicket, **_: Any) -> Outcome:
        """Refuse every change."""
        return Outcome(ticket.client_order_id, OutcomeKind.REJECTED, message="no changes here")

    def query(self, venue_account_id: int, client_order_id: str) -> VenueOrder | None:
        """Say what rests under an id."""
        self.queries.append(client_order_id)
        if self.is_down:
            raise VenueUnavailable("the venue is down")
        ticket = self.taken.get((venue_account_id, client_order_id))
        return None if ticket is None else _described(ticket)

    def open_orders(self, venue_account_id: int) -> list[VenueOrder]:
        """List what rests."""
        if self.is_down:
            raise VenueUnavailable("the venue is down")
        return [_described(t) for key, t in self.taken.items() if key[0] == venue_account_id]

    def take_reports(self) -> list[ExecutionReport]:
        """Hand over the reports."""
        taken, self.reports = self.reports, []
        return taken


def _described(ticket: OrderTicket) -> VenueOrder:
    return VenueOrder(
        venue_account_id=ticket.venue_account_id,
        client_order_id=ticket.client_order_id,
        venue_order_id="X",
        instrument_token=ticket.instrument_token,
        side=ticket.side,
        quantity=ticket.quantity,
        filled_quantity=Decimal(0),
        price=ticket.price,
        status="OPEN",
    )
