"""Squaring off: intraday positions (MIS) end with the day, and idle cash goes back to Manual.

Safe to run twice and after any pause: what is due follows from since when a position or an order
is open, an attempt has a slot reference that can be used once, and no attempt is made while an
order of the instrument is still open. What cannot be closed stays, is logged and is tried again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from secrets import token_hex

from django.db import DatabaseError, connection, transaction

from market.domain.calendars import is_open, square_off_at, trading_day
from market.domain.enums import (
    TERMINAL_STATUSES,
    OrderType,
    Product,
    Side,
    SourceKind,
    TimeInForce,
)
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from market.models import Instrument
from portfolio.domain.ledger import AccountKind, PostingKind, Pot
from portfolio.exceptions import PortfolioError
from portfolio.models import Order, Position
from portfolio.services.ledger import Postings
from portfolio.services.locking import lock_purse
from portfolio.services.margin import News, keep_collateral
from portfolio.services.order_changes import cancel_all
from portfolio.services.order_rows import SQUARE_OFF
from portfolio.services.orders import OrderRequest, place_order
from portfolio.services.sql import run_statements

logger = logging.getLogger(__name__)

# Between two attempts to close a position: as many minutes as there were attempts, at most ten.
_PAUSE = timedelta(minutes=1)
_LONGEST = 10
_TERMINAL = sorted(TERMINAL_STATUSES)
# An order that waits for a session counts from then on.
_OPEN = """
    SELECT p.book_id, p.instrument_id, coalesce(p.opened_at, p.updated_at)
      FROM portfolio_position p JOIN portfolio_book b ON b.id = p.book_id
     WHERE b.kind = 'INTRADAY' AND p.quantity <> 0
     UNION ALL
    SELECT o.book_id, o.instrument_id, greatest(o.created_at, o.send_after)
      FROM portfolio_order o JOIN portfolio_book b ON b.id = o.book_id
     WHERE b.kind = 'INTRADAY' AND o.status <> ALL(%s)
       AND coalesce(o.slot_ref, '') NOT LIKE 'square-off:%%'
"""
_UNTIDY = """
    SELECT a.book_id FROM portfolio_ledgeraccount a JOIN portfolio_book b ON b.id = a.book_id
     WHERE b.kind = 'INTRADAY' AND a.kind = 'AVAILABLE' AND a.asset = b.quote_asset
       AND a.balance > 0
     UNION
    SELECT p.book_id FROM portfolio_position p JOIN portfolio_book b ON b.id = p.book_id
     WHERE b.kind = 'INTRADAY' AND p.quantity < 0
     ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """Something open in an intraday book: a position, orders, or both, and since when."""

    book_id: int
    instrument_token: int
    since: datetime


def open_intraday() -> list[OpenPosition]:
    """Return what is open in intraday books, one row per book and instrument."""
    oldest: dict[tuple[int, int], datetime] = {}
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [_TERMINAL])
        for book_id, token, since in cursor.fetchall():
            key = (book_id, token)
            oldest[key] = min(since, oldest.get(key, since))
    return [OpenPosition(*key, since) for key, since in sorted(oldest.items())]


def square_off(
    opened: list[OpenPosition],
    quotes: Mapping[int, Quote],
    *,
    now: datetime,
    enqueue: Callable[[], None],
) -> int:
    """Close what is due of what is open; return how many orders were placed for that."""
    instruments = Instrument.objects.in_bulk({each.instrument_token for each in opened})
    placed = 0
    for each in opened:
        spec, quote = instruments[each.instrument_token].spec, quotes.get(each.instrument_token)
        # Without any price its source is not known: the day of a simulated market is the later end.
        source = SourceKind.SIMULATED if quote is None else quote.source
        if now < square_off_at(spec.calendar, source, each.since):
            continue
        day = trading_day(spec.calendar, source, each.since)
        try:
            placed += _close(
                each, spec, quote, prefix=f"{SQUARE_OFF}{day}", now=now, enqueue=enqueue
            )
        except (PortfolioError, DatabaseError):
            logger.exception(
                "intraday position not squared off book=%s symbol=%s", each.book_id, spec.symbol
            )
    return placed


def _close(
    opened: OpenPosition,
    spec: InstrumentSpec,
    quote: Quote | None,
    *,
    prefix: str,
    now: datetime,
    enqueue: Callable[[], None],
) -> bool:
    """Cancel the orders of an instrument, and once none is open any more trade what is left."""
    with transaction.atomic():
        lock_purse(opened.book_id, now=now)
        slot = f"{prefix}:{spec.instrument_token}"
        orders = Order.objects.filter(book=opened.book_id, instrument=spec.instrument_token)
        live = orders.exclude(status__in=_TERMINAL)
        own = live.filter(slot_ref__startswith=SQUARE_OFF)
        if live.exclude(pk__in=own).exists():
            cancel_all(
                opened.book_id,
                now=now,
                enqueue=enqueue,
                instrument_token=spec.instrument_token,
            )
        if live.exists():
            return False
        held = Position.objects.filter(
            book=opened.book_id, instrument=spec.instrument_token
        ).first()
        if held is None or not held.quantity:
            return False
        attempts = list(
            orders.filter(slot_ref__startswith=f"{slot}-").order_by("pk").values("created_at")
        )
        if attempts and now < attempts[-1]["created_at"] + _PAUSE * min(len(attempts), _LONGEST):
            return False
        request = _closing(held.quantity, spec, slot_ref=f"{slot}-{len(attempts) + 1}")
        if request is None or quote is None or not _can_trade(spec, quote, now=now):
            logger.warning(
                "intraday position waits to be squared off book=%s symbol=%s quantity=%s",
                opened.book_id,
                spec.symbol,
                held.quantity,
            )
            return False
        order = place_order(opened.book_id, request, quote=quote, now=now, enqueue=enqueue)
        if order.code:
            logger.warning("square-off denied order=%s code=%s", order.order_id, order.code)
    return not order.code


def _can_trade(spec: InstrumentSpec, quote: Quote, *, now: datetime) -> bool:
    is_fresh = quote.is_fresh(now=now, limit=spec.freshness_limit)
    return is_fresh and is_open(spec.calendar, quote.source, now)


def _closing(quantity: Decimal, spec: InstrumentSpec, *, slot_ref: str) -> OrderRequest | None:
    """Return the order that closes a position, or as much of it as one order may trade."""
    most = abs(quantity) if spec.max_quantity is None else min(abs(quantity), spec.max_quantity)
    units = spec.floor_lot(most)
    if not units:
        return None
    return OrderRequest(
        instrument=spec,
        side=Side.BUY if quantity < 0 else Side.SELL,
        order_type=OrderType.MARKET,
        quantity=units,
        time_in_force=TimeInForce.DAY,
        product=Product.MIS,
        source=Order.Source.SYSTEM,
        slot_ref=slot_ref,
        is_exit=True,
    )


def tidy_purses(*, now: datetime) -> int:
    """Return idle cash of intraday books to Manual, and fill up what secures short positions."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTIDY)
        book_ids = [row[0] for row in cursor.fetchall()]
    for book_id in book_ids:
        _tidy(book_id, now=now)
    return len(book_ids)


def _tidy(book_id: int, *, now: datetime) -> None:
    with transaction.atomic():
        books = lock_purse(book_id, now=now)
        book = books[book_id]
        asset, ref = book.quote_asset, f"tidy:{book_id}:{token_hex(8)}"
        postings = Postings(books.values(), [asset])
        keep_collateral(postings, book, News(), ref=ref, at=now)
        idle, mate = postings.available(book_id, asset), postings.purse_mate(book)
        if idle and mate is not None:
            frm, to = (Pot(each, AccountKind.AVAILABLE, asset) for each in (book_id, mate.id))
            entries = ((frm, -idle), (to, idle))
            postings.post(f"{ref}:idle", PostingKind.TRANSFER, entries, at=now)
        run_statements(postings.statements())
