"""What one transaction changes in orders: kept in memory, then written in one round trip."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from market.domain.enums import OrderStatus, Variety
from market.streams import UserEvent, push_events
from portfolio.domain.event_chain import event_hash
from portfolio.domain.ledger import AccountKind, Entry, PostingKind, moved
from portfolio.domain.order_state import BOOK_VISIBLE, EventKind, check_transition
from portfolio.domain.postbacks import told_as
from portfolio.exceptions import InsufficientFunds, InsufficientUnits
from portfolio.models import Book
from portfolio.services.ledger import Postings, reach_mate
from portfolio.services.locking import LockedBook, LockedOrder, Look
from portfolio.services.margin import News, OrderNews, keep_collateral, news_of, news_of_row
from portfolio.services.positions import Holdings
from portfolio.services.postbacks import INSERT_POSTBACKS, outbox_row
from portfolio.services.sql import Statement, run_statements

# Above this many orders a page is told to reload its list instead of each row.
_TOLD_ONE_BY_ONE = 10

_CHANGED = [
    "venue_order_id",
    "order_type",
    "time_in_force",
    "validity_ttl",
    "quantity",
    "disclosed_quantity",
    "price",
    "trigger_price",
    "protection_price",
    "market_protection",
    "margin_price",
    "expires_at",
    "pending_change",
    "revision",
    "status",
    "status_code",
    "status_message",
    "cancel_requested_at",
    "filled_quantity",
    "filled_value",
    "hold_remaining",
    "send_attempts",
    "send_after",
    "sent_at",
    "send_deadline",
    "sent_fence",
    "unknown_since",
    "triggered_at",
    "updated_at",
    "last_event_hash",
    "event_count",
]
_UPDATE = (
    "changed",
    "UPDATE portfolio_order o SET "  # noqa: S608 - own column names
    + ", ".join(f"{name} = x.{name}" for name in _CHANGED)
    + " FROM json_populate_recordset(null::portfolio_order, %s) x WHERE o.id = x.id",
)
_INSERT_ORDERS = (
    "placed",
    "INSERT INTO portfolio_order SELECT * FROM json_populate_recordset(null::portfolio_order, %s)",
)
_INSERT_EVENTS = (
    "told",
    """INSERT INTO portfolio_orderevent (order_id, book_id, sequence, book_seq, kind,
              from_status, to_status, detail, at, previous_hash, hash)
       SELECT order_id, book_id, sequence, book_seq, kind, from_status, to_status, detail, at,
              previous_hash, hash
         FROM json_populate_recordset(null::portfolio_orderevent, %s) ORDER BY order_id, sequence""",
)
_INSERT_TRADES = (
    "traded",
    """INSERT INTO portfolio_trade (user_id, venue_account_id, book_id, order_id, instrument_id,
              venue_trade_id, trade_date, side, quantity, price, fee, fee_asset, liquidity,
              realised, exchange_time, recorded_at)
       SELECT user_id, venue_account_id, book_id, order_id, instrument_id, venue_trade_id,
              trade_date, side, quantity, price, fee, fee_asset, liquidity, realised,
              exchange_time, recorded_at
         FROM json_populate_recordset(null::portfolio_trade, %s)""",
)
_BOOKS = (
    "numbered",
    """UPDATE portfolio_book b SET event_seq = x.event_seq
         FROM json_populate_recordset(null::portfolio_book, %s) x WHERE b.id = x.id""",
)


# Whatever happens to an order of a plan, the plan may have to act on it.
_PLANS = (
    "planned",
    """UPDATE portfolio_orderplan p SET due_at = x.due_at
         FROM json_populate_recordset(null::portfolio_orderplan, %s) x
        WHERE p.entry_id = x.entry_id AND p.status = 'ACTIVE'""",
)
_PLANNED = frozenset({Variety.CO, Variety.ICEBERG})


class Changes:
    """The writes of one transaction on locked books and orders."""

    def __init__(
        self,
        books: Mapping[int, LockedBook],
        *,
        assets: Iterable[str] = (),
        pots: Look | None = None,
        asked_at: datetime | None = None,
    ) -> None:
        """Begin on locked books; `assets` are those whose pots will be needed.

        They are read now, or were with the lock (`pots`).
        `asked_at` is given where somebody asks for more (placing, changing): then collateral must
        be there in full, and the other book of the purse pays what is missing.
        """
        self.books = books
        self._asked_at = asked_at
        self.postings = Postings(books.values(), assets, pots=pots)
        self.holdings: Holdings | None = None
        self._inserted: list[dict[str, Any]] = []
        self._orders: dict[int, LockedOrder] = {}
        self._events: list[dict[str, Any]] = []
        self._trades: list[dict[str, Any]] = []
        self._numbered: set[int] = set()
        self._postbacks: list[dict[str, Any]] = []

    # ------------------------------------------------------------ events

    def insert(self, row: dict[str, Any], *, kind: EventKind, detail: Mapping[str, Any]) -> None:
        """Add a new order with its first event."""
        check_transition(kind, None, OrderStatus(row["status"]))
        event = self._event(
            row["id"], row["book_id"], kind, to=row["status"], at=row["created_at"], detail=detail
        )
        row.update(event_count=1, last_event_hash=event["hash"])
        self._tell_app(row["api_app_id"], event)
        self._inserted.append(row)

    def record(
        self,
        order: LockedOrder,
        kind: EventKind,
        to: OrderStatus,
        *,
        at: datetime,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Move an order to a state and append the event that says so."""
        check_transition(kind, order.status, to)
        event = self._event(
            order.id,
            order.book_id,
            kind,
            to=to,
            at=at,
            detail=detail or {},
            before=(order.event_count, order.last_event_hash),
        )
        event["from_status"] = order.status
        order.status = to
        order.event_count += 1
        order.last_event_hash = event["hash"]
        self._orders[order.id] = order
        self._tell_app(order.api_app_id, event)

    def _event(
        self,
        order_id: int,
        book_id: int,
        kind: EventKind,
        *,
        to: str,
        at: datetime,
        detail: Mapping[str, Any],
        before: tuple[int, str] = (0, ""),
    ) -> dict[str, Any]:
        """Append an event to an order's chain; `before` is (events so far, hash of the last)."""
        sequence, previous = before[0] + 1, before[1]
        digest = event_hash(
            previous,
            order_id=order_id,
            sequence=sequence,
            kind=kind,
            to_status=to,
            detail=detail,
            at=at,
        )
        event = {
            "order_id": order_id,
            "book_id": book_id,
            "sequence": sequence,
            "book_seq": self._next_number(book_id) if kind in BOOK_VISIBLE else None,
            "kind": kind,
            "from_status": "",
            "to_status": to,
            "detail": dict(detail),
            "at": at,
            "previous_hash": previous,
            "hash": digest,
        }
        self._events.append(event)
        return event

    def _tell_app(self, app_id: int | None, event: Mapping[str, Any]) -> None:
        """Have the app that placed an order told of an event, where it is one to tell of."""
        name = None if app_id is None else told_as(event["kind"], event["to_status"])
        if app_id is not None and name is not None:
            self._postbacks.append(outbox_row(app_id, event, name=name))

    def _next_number(self, book_id: int) -> int:
        book = self.books[book_id]
        book.event_seq += 1
        self._numbered.add(book_id)
        return book.event_seq

    def touch(self, order: LockedOrder) -> None:
        """Have an order written though nothing happened to it that people need to hear of."""
        self._orders[order.id] = order

    def add_trade(self, row: dict[str, Any]) -> None:
        """Add a trade."""
        self._trades.append(row)

    # ------------------------------------------------------------ money

    def set_hold(self, order: LockedOrder, amount: Decimal, *, at: datetime) -> None:
        """Hold exactly `amount` for an order: take what is missing, give back what is too much."""
        more = amount - order.hold_remaining
        if not more:
            return
        kind = PostingKind.HOLD if more > 0 else PostingKind.RELEASE
        available, held = AccountKind.AVAILABLE, AccountKind.HELD
        frm, to = (available, held) if more > 0 else (held, available)
        entries = moved(order.book_id, order.hold_asset, abs(more), frm=frm, to=to)
        self.post_hold(f"order:{order.id}:{order.event_count}", kind, entries, at=at)
        order.hold_remaining = amount
        self._orders[order.id] = order

    def post_hold(
        self, ref: str, kind: PostingKind, entries: Sequence[Entry], *, at: datetime
    ) -> None:
        """Post a hold; where Manual lacks the money for it, Intraday's free money is reached for."""
        try:
            self.postings.post(ref, kind, entries, at=at)
        except InsufficientUnits:
            raise
        except InsufficientFunds:
            book = self.books[entries[0][0].book_id or 0]
            if self._asked_at is None or not reach_mate(self.postings, book, now=self._asked_at):
                raise
            self.postings.post(ref, kind, entries, at=at)

    def _keep_collateral(self, *, now: datetime) -> None:
        """Set right what the intraday books keep aside, after everything else is known."""
        for book in self.books.values():
            if book.kind != Book.Kind.INTRADAY:
                continue
            mine = [order for order in self._orders.values() if order.book_id == book.id]
            rows = [row for row in self._inserted if row["book_id"] == book.id]
            orders = [*map(news_of, mine), *map(news_of_row, rows)]
            happened = {e["order_id"] for e in self._events if e["book_id"] == book.id}
            if not happened:
                continue
            last = max((each for each in orders if each.order_id in happened), key=_order_id)
            keep_collateral(
                self.postings,
                book,
                News(orders, self.holdings),
                ref=f"settle:{last.order_id}:{last.event_count}",
                at=now,
                is_asked=self._asked_at is not None,
            )

    # ------------------------------------------------------------ writing

    def save(self, *, now: datetime) -> None:
        """Write everything in one statement and tell the users' pages after the commit."""
        for order in self._orders.values():
            order.updated_at = now
        self._keep_collateral(now=now)
        run_statements(self._statements(now))
        self._tell()

    def _due_plans(self, now: datetime) -> list[dict[str, Any]]:
        """Return the plans that have to look at what happened to their orders."""
        entries = {
            order.parent_id or order.id
            for order in self._orders.values()
            if order.variety in _PLANNED
        }
        return [{"entry_id": entry, "due_at": now} for entry in sorted(entries)]

    def _statements(self, now: datetime) -> list[Statement]:
        changed = [
            {"id": order.id, **{name: getattr(order, name) for name in _CHANGED}}
            for order in self._orders.values()
        ]
        books = [{"id": key, "event_seq": self.books[key].event_seq} for key in self._numbered]
        plain: list[Statement] = [
            (*_INSERT_ORDERS, self._inserted),
            (*_UPDATE, changed),
            (*_INSERT_EVENTS, self._events),
            (*_INSERT_TRADES, self._trades),
            (*_BOOKS, books),
            (*_PLANS, self._due_plans(now)),
            (*INSERT_POSTBACKS, self._postbacks),
        ]
        written = [statement for statement in plain if statement[2]]
        held = self.holdings.statements() if self.holdings else []
        return written + held + self.postings.statements()

    def _tell(self) -> None:
        """Tell each user's open pages: each row where they are few, else that lists changed."""
        told: dict[int, list[dict[str, Any]]] = {}
        steps: dict[int, list[int]] = {}
        for event in self._events:
            steps.setdefault(event["order_id"], []).append(event["sequence"])
        for row in self._inserted:
            news = _order_news(row["id"], row, steps=steps.get(row["id"], ()))
            told.setdefault(row["user_id"], []).append(news)
        for order in self._orders.values():
            row = {name: getattr(order, name) for name in _NEWS}
            news = _order_news(order.id, row, steps=steps.get(order.id, ()))
            told.setdefault(order.user_id, []).append(news)
        events = [each for user_id, rows in told.items() for each in _order_events(user_id, rows)]
        for trade in self._trades:
            data = {name: trade[name] for name in _TRADE_NEWS}
            events.append(UserEvent(trade["user_id"], "trade", data))
        # Whoever shows money hears of holds through the orders, of the rest through this.
        owners = {trade["user_id"] for trade in self._trades}
        events += [UserEvent(user_id, "balance", {}) for user_id in owners]
        if events:
            transaction.on_commit(lambda: push_events(events))


def _order_id(news: OrderNews) -> int:
    return news.order_id


_NEWS = ("book_id", "instrument_id", "status", "side", "quantity", "filled_quantity", "price")
_TRADE_NEWS = (
    "book_id",
    "order_id",
    "instrument_id",
    "side",
    "quantity",
    "price",
    "venue_trade_id",
)


def _order_news(order_id: int, row: Mapping[str, Any], *, steps: Iterable[int]) -> dict[str, Any]:
    """Return what is told of an order; `steps` says which of its events this is about."""
    told = [[order_id, number] for number in steps]
    return {"id": order_id, **{name: row[name] for name in _NEWS}, "steps": told}


def _order_events(user_id: int, news: list[dict[str, Any]]) -> list[UserEvent]:
    if len(news) <= _TOLD_ONE_BY_ONE:
        return [UserEvent(user_id, "order", each) for each in news]
    steps = [step for each in news for step in each["steps"]]
    return [UserEvent(user_id, "order", {"id": None, "count": len(news), "steps": steps})]
