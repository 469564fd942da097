"""Makes accounts, books, prices, orders and reports for tests; other apps may use it too."""

from datetime import datetime
from decimal import Decimal
from itertools import count

from django.db import transaction

from accounts.models import User
from market.domain.enums import (
    FeeMode,
    FillModel,
    Liquidity,
    OrderStatus,
    OrderType,
    Side,
    SourceKind,
    TimeInForce,
)
from market.domain.messages import ExecutionReport, Outcome, OutcomeKind, ReportKind
from market.domain.ticks import Quote
from market.models import Instrument
from market.selectors import instrument_by_symbol
from market.services.instruments import seed_instruments
from portfolio.domain.order_state import EventKind
from portfolio.models import Book, GatewayShard, LedgerAccount, Order, VenueAccount
from portfolio.services.accounts import manual_book, open_book, open_venue_account
from portfolio.services.changes import Changes
from portfolio.services.executions import apply_report, record_outcomes
from portfolio.services.ledger import deposit
from portfolio.services.locking import lock_books, lock_orders
from portfolio.services.orders import OrderRequest, PlacedOrder, place_orders

_numbers = count(1)
SHARD = 0


def number(value: object) -> Decimal:
    """Return a decimal of a text or an int."""
    return Decimal(str(value))


def make_instrument(symbol: str = "NSE:ONGC") -> Instrument:
    """Return a seeded instrument; the seeds are made when they are missing."""
    if not Instrument.objects.exists():
        seed_instruments()
    return instrument_by_symbol(symbol)


def make_account(
    user: User,
    *,
    now: datetime,
    asset: str = "INR",
    fee: object = "0.0005",
    fee_mode: FeeMode = FeeMode.QUOTE,
) -> VenueAccount:
    """Return a new paper account without money."""
    return open_venue_account(
        user,
        name=f"Account {next(_numbers)}",
        settlement_asset=asset,
        now=now,
        maker_rate=number(fee),
        taker_rate=number(fee),
        fee_mode=fee_mode,
    )


def make_book(
    account: VenueAccount, *, now: datetime, funds: object = 0, kind: str = Book.Kind.MANUAL
) -> Book:
    """Return the account's Manual book or a new one for a bot, with money in it."""
    if kind == Book.Kind.MANUAL:
        book = manual_book(account)
    else:
        book = open_book(account, name=f"Book {next(_numbers)}", kind=kind, now=now)
    if number(funds):
        give(book, account.settlement_asset, funds, now=now)
    return book


def give(book: Book, asset: str, amount: object, *, now: datetime) -> None:
    """Deposit money or units into a book."""
    ref = f"test:{next(_numbers)}"
    deposit(book.pk, asset=asset, amount=number(amount), ref=ref, now=now)


def make_quote(
    instrument: Instrument,
    price: object,
    *,
    now: datetime,
    source: SourceKind = SourceKind.SIMULATED,
    fill_model: FillModel = FillModel.LAST_TRADE,
) -> Quote:
    """Return a fresh quote without depth."""
    last = number(price)
    return Quote(
        instrument_token=instrument.pk,
        source=source,
        run="test",
        fill_model=fill_model,
        sequence=1,
        last_price=last,
        last_quantity=Decimal(1),
        volume=Decimal(100),
        open=last,
        high=last,
        low=last,
        previous_close=last,
        exchange_time=now,
        received_at=now,
        depth=None,
    )


def make_request(
    instrument: Instrument,
    side: Side = Side.BUY,
    *,
    quantity: object = 10,
    price: object | None = 260,
    trigger: object | None = None,
    slot_ref: str | None = None,
    key: str | None = None,
    order_type: OrderType | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> OrderRequest:
    """Return a request: LIMIT with a price, MARKET without, a stop with a trigger."""
    plain = OrderType.LIMIT if price is not None else OrderType.MARKET
    stop = OrderType.SL if price is not None else OrderType.SL_M
    return OrderRequest(
        instrument=instrument.spec,
        side=side,
        order_type=order_type or (plain if trigger is None else stop),
        quantity=number(quantity),
        time_in_force=time_in_force,
        price=None if price is None else number(price),
        trigger_price=None if trigger is None else number(trigger),
        slot_ref=slot_ref,
        idempotency_key=key,
    )


def no_hint() -> None:
    """Stand in for the hint to the gateway."""


def place(book: Book, *requests: OrderRequest, last: object, now: datetime) -> list[PlacedOrder]:
    """Place orders at a market price, in a transaction of their own."""
    instruments = Instrument.objects.in_bulk(
        [each.instrument.instrument_token for each in requests]
    )
    quotes = {token: make_quote(row, last, now=now) for token, row in instruments.items()}
    with transaction.atomic():
        return place_orders(book.pk, requests, quotes=quotes, now=now, enqueue=no_hint)


def mark_sending(*order_ids: int, now: datetime) -> None:
    """Claim orders as the gateway does: READY -> SENDING, with the event."""
    with transaction.atomic():
        book_ids = set(Order.objects.filter(pk__in=order_ids).values_list("book_id", flat=True))
        changes = Changes(lock_books(book_ids, now=now))
        for order in lock_orders(order_ids):
            order.sent_at = now
            changes.record(order, EventKind.SENDING, OrderStatus.SENDING, at=now)
        changes.save(now=now)


def make_outcome(order_id: int, kind: OutcomeKind, **values: object) -> Outcome:
    """Return the outcome of sending an order."""
    order = Order.objects.get(pk=order_id)
    fields: dict[str, object] = {"venue_order_id": f"V{order_id}", **values}
    return Outcome(client_order_id=order.client_order_id, kind=kind, **fields)  # type: ignore[arg-type]


def send(*order_ids: int, now: datetime, kind: OutcomeKind = OutcomeKind.ACCEPTED) -> None:
    """Send orders with one outcome for all."""
    mark_sending(*order_ids, now=now)
    fence = GatewayShard.objects.get(number=SHARD).fence
    outcomes = [make_outcome(order_id, kind) for order_id in order_ids]
    record_outcomes(outcomes, shard=SHARD, fence=fence, now=now)


def make_report(
    order_id: int, kind: ReportKind = ReportKind.TRADE, *, now: datetime, **values: object
) -> ExecutionReport:
    """Return a report on an order; `quantity` and `price` may be ints or texts."""
    order = Order.objects.get(pk=order_id)
    key = f"R{next(_numbers)}"
    fields: dict[str, object] = {
        "dedupe_key": key,
        "venue_trade_id": key if kind is ReportKind.TRADE else "",
        "liquidity": Liquidity.MAKER,
        **values,
    }
    for name in ("quantity", "price", "trigger_price", "cumulative_quantity"):
        if fields.get(name) is not None:
            fields[name] = number(fields[name])
    return ExecutionReport(
        kind=kind,
        venue_account_id=order.venue_account_id,
        client_order_id=order.client_order_id,
        venue_order_id=f"V{order_id}",
        exchange_time=now,
        **fields,  # type: ignore[arg-type]
    )


def fill(order_id: int, quantity: object, price: object, *, now: datetime) -> None:
    """Fill part of an order."""
    apply_report(make_report(order_id, now=now, quantity=quantity, price=price), now=now)


def trade_now(
    book: Book,
    instrument: Instrument,
    side: Side = Side.BUY,
    *,
    quantity: object,
    price: object,
    now: datetime,
) -> PlacedOrder:
    """Place, send and fill an order completely."""
    request = make_request(instrument, side, quantity=quantity, price=price)
    placed = place(book, request, last=price, now=now)[0]
    send(placed.order_id, now=now)
    fill(placed.order_id, quantity, price, now=now)
    return placed


def balances(book: Book) -> dict[tuple[str, str], Decimal]:
    """Return what is in a book's pots that are not empty, by (kind, asset)."""
    rows = LedgerAccount.objects.filter(book=book, balance__gt=0)
    return {(row.kind, row.asset): (row.balance or Decimal(0)).normalize() for row in rows}
