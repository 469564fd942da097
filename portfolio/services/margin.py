"""Keeping an intraday book's collateral right, under its lock: after each change, exactly.

Whatever happened in a transaction (placed, changed, cancelled, filled, ended, converted), its
last postings return borrowed units that are free again and set MARGIN to what
`portfolio.domain.margin` asks for. So nothing has to be given back by whoever ended an order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from market.domain.enums import TERMINAL_STATUSES, Side
from portfolio.domain.fees import ZERO
from portfolio.domain.ledger import AccountKind, Entry, PostingKind, Pot, moved
from portfolio.domain.margin import OpenSale, Stand, collateral_of
from portfolio.services.ledger import Postings, lack_of
from portfolio.services.locking import LockedBook, LockedOrder
from portfolio.services.positions import Holdings

_TERMINAL = sorted(TERMINAL_STATUSES)
_STANDS = """
    SELECT instrument_id, NULL::bigint, NULL::text, quantity, cost
      FROM portfolio_position WHERE book_id = %(book)s AND quantity <> 0
     UNION ALL
    SELECT instrument_id, id, side, hold_remaining,
           greatest(margin_price, (pending_change->>'margin_price')::numeric) * (1 + hold_fee_rate)
      FROM portfolio_order WHERE book_id = %(book)s AND status <> ALL(%(terminal)s)
"""


@dataclass(frozen=True, slots=True)
class OrderNews:
    """An order that this transaction changes, as it is now.

    `each` is the collateral of one unit, `base_asset` the units it is for (where they can change).
    """

    order_id: int
    event_count: int
    instrument_id: int
    side: Side
    base_asset: str
    hold: Decimal
    each: Decimal


def news_of(order: LockedOrder) -> OrderNews:
    """Return a changed order as collateral sees it."""
    return OrderNews(
        order_id=order.id,
        event_count=order.event_count,
        instrument_id=order.instrument_id,
        side=order.side,
        base_asset=order.base_asset,
        hold=order.hold_remaining,
        each=order.worst_margin_price * (1 + order.hold_fee_rate),
    )


def news_of_row(row: Mapping[str, Any]) -> OrderNews:
    """Return a new order as collateral sees it; it holds units when it sells."""
    return OrderNews(
        order_id=row["id"],
        event_count=row["event_count"],
        instrument_id=row["instrument_id"],
        side=row["side"],
        base_asset=row["hold_asset"],
        hold=row["hold_remaining"],
        each=(row["margin_price"] or ZERO) * (1 + row["hold_fee_rate"]),
    )


class Stands:
    """What decides on a book's collateral: positions and open orders, as the database has them."""

    def __init__(self, book_id: int) -> None:
        """Read the positions and open orders of a locked book."""
        self._positions: dict[int, tuple[Decimal, Decimal]] = {}
        self._orders: dict[int, tuple[int, Side, Decimal, Decimal]] = {}
        with connection.cursor() as cursor:
            cursor.execute(_STANDS, {"book": book_id, "terminal": _TERMINAL})
            for token, order_id, side, amount, price in cursor.fetchall():
                if order_id is None:
                    self._positions[token] = (amount, price)
                else:
                    self._orders[order_id] = (token, Side(side), amount, price or ZERO)

    def put(self, news: Iterable[OrderNews], book_id: int, holdings: Holdings | None) -> None:
        """Let in what the transaction changes."""
        for each in news:
            self._orders[each.order_id] = (each.instrument_id, each.side, each.hold, each.each)
        for token, holding in holdings.of_book(book_id) if holdings is not None else ():
            self._positions[token] = (holding.quantity, holding.cost)

    def collateral(self) -> Decimal:
        """Return what MARGIN must have for all of it."""
        tokens = self._positions.keys() | {order[0] for order in self._orders.values()}
        return sum((collateral_of(self._stand(token)) for token in tokens), ZERO)

    def _stand(self, token: int) -> Stand:
        quantity, cost = self._positions.get(token, (ZERO, ZERO))
        orders = [order[1:] for order in self._orders.values() if order[0] == token]
        return Stand(
            quantity=quantity,
            cost=cost,
            held_for_buys=sum((hold for side, hold, _ in orders if side is Side.BUY), ZERO),
            sales=tuple(OpenSale(hold, each) for side, hold, each in orders if side is Side.SELL),
        )


@dataclass(frozen=True, slots=True)
class News:
    """What a transaction changes in a book: orders, positions, and units moved without an order."""

    orders: Sequence[OrderNews] = ()
    holdings: Holdings | None = None
    assets: Sequence[str] = ()


def keep_collateral(
    postings: Postings,
    book: LockedBook,
    news: News,
    *,
    ref: str,
    at: datetime,
    is_asked: bool = False,
) -> None:
    """Return what is borrowed and free, and bring MARGIN to what it must have.

    Where somebody asks for more than there is money for, `InsufficientFunds` is raised. What the
    market does is never refused: then MARGIN gets what there is, and the rest when there is more.
    """
    units = {each.base_asset for each in news.orders} | set(news.assets)
    postings.reach(assets=units | {book.quote_asset})
    _return_units(postings, book, units, ref=ref, at=at)
    stands = Stands(book.id)
    lacked = stands.collateral() - postings.stored(book.id, AccountKind.MARGIN, book.quote_asset)
    stands.put(news.orders, book.id, news.holdings)
    want, free = _set_margin(postings, book, stands.collateral(), ref=ref, at=at)
    if is_asked and want - free > max(lacked, ZERO):
        raise lack_of(book, book.quote_asset, needed=want, available=free)


def _set_margin(
    postings: Postings, book: LockedBook, must: Decimal, *, ref: str, at: datetime
) -> tuple[Decimal, Decimal]:
    """Bring MARGIN to what it must have, or as near as there is money.

    Return what it was short of (below 0: had too much), and the money there was for that.
    """
    asset = book.quote_asset
    want = must - postings.balance(book.id, AccountKind.MARGIN, asset)
    free = postings.available(book.id, asset)
    if want > free:
        free += _from_mate(postings, book, want - free, ref=ref, at=at)
    kept = min(want, free)
    entries = moved(book.id, asset, kept, frm=AccountKind.AVAILABLE, to=AccountKind.MARGIN)
    postings.post(ref, PostingKind.MARGIN, entries, at=at)
    return want, free


def _from_mate(
    postings: Postings, book: LockedBook, missing: Decimal, *, ref: str, at: datetime
) -> Decimal:
    """Bring what is missing from the other book of the purse, as far as it has it."""
    mate = postings.purse_mate(book)
    if mate is None:
        return ZERO
    amount = min(missing, postings.available(mate.id, book.quote_asset))
    frm, to = (Pot(each.id, AccountKind.AVAILABLE, book.quote_asset) for each in (mate, book))
    entries = ((frm, -amount), (to, amount)) if amount else ()
    postings.post(f"{ref}:purse", PostingKind.TRANSFER, entries, at=at)
    return amount


def _return_units(
    postings: Postings, book: LockedBook, assets: Iterable[str], *, ref: str, at: datetime
) -> None:
    """Give back what is borrowed as far as the book has the units free."""
    entries: list[Entry] = []
    for asset in sorted(set(assets) - {book.quote_asset}):
        owed = -postings.balance(book.id, AccountKind.BORROWED, asset)
        amount = min(owed, postings.available(book.id, asset))
        frm, to = AccountKind.AVAILABLE, AccountKind.BORROWED
        entries += moved(book.id, asset, amount, frm=frm, to=to) if amount > 0 else ()
    postings.post(f"{ref}:returned", PostingKind.BORROW, entries, at=at)
