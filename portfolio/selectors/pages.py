"""What the console's order, trade, position and money pages list: one query each."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum

from accounts.models import User
from market.domain.enums import TERMINAL_STATUSES, Side
from market.models import Instrument
from portfolio.domain.account_fees import AccountFees
from portfolio.domain.pnl import DayTrades
from portfolio.exceptions import OrderNotFound
from portfolio.models import (
    Book,
    LedgerAccount,
    LedgerEntry,
    Order,
    OrderEvent,
    Position,
    Trade,
    VenueAccount,
)
from portfolio.selectors.charges import fees_of

PAGE_SIZE = 50
ZERO = Decimal(0)


def accounts_of(user: User) -> QuerySet[VenueAccount]:
    """Return the user's venue accounts, oldest first."""
    return VenueAccount.objects.for_user(user).order_by("pk")


def manual_books_of(user: User, *, account: VenueAccount | None = None) -> QuerySet[Book]:
    """Return the books of manual trading: the chosen account's, or all."""
    books = Book.objects.for_user(user).filter(kind=Book.Kind.MANUAL)
    books = books.filter(venue_account=account) if account is not None else books
    return books.select_related("venue_account").order_by("pk")


def books_by_hand_of(user: User, *, account: VenueAccount | None = None) -> QuerySet[Book]:
    """Return the books that a person trades from: Manual and Intraday, of one account or all."""
    books = Book.objects.for_user(user).exclude(kind=Book.Kind.BOT)
    return books.filter(venue_account=account) if account is not None else books


def manual_book_of(user: User, *, account: VenueAccount | None, quote_asset: str) -> Book | None:
    """Return the Manual book to trade an asset from: the chosen account's, else the oldest."""
    is_right = account is not None and account.settlement_asset == quote_asset
    books = manual_books_of(user, account=account if is_right else None)
    return books.filter(quote_asset=quote_asset).first()


def orders_of(user: User, *, account: VenueAccount | None = None) -> QuerySet[Order]:
    """Return the user's orders, newest first, with all that a row shows."""
    rows = Order.objects.for_user(user).select_related("instrument", "book", "venue_account")
    if account is not None:
        rows = rows.filter(venue_account=account)
    return rows.order_by("-pk")


def live_orders_of(user: User, *, account: VenueAccount | None = None) -> QuerySet[Order]:
    """Return the orders that can still fill."""
    return orders_of(user, account=account).exclude(status__in=TERMINAL_STATUSES)


def order_of(user: User, order_id: int) -> Order:
    """Return one order of the user, with the app that placed it."""
    found = orders_of(user).select_related("api_app").filter(pk=order_id).first()
    if found is None:
        raise OrderNotFound(f"There is no order {order_id}.")
    return found


def order_life(order: Order) -> QuerySet[OrderEvent]:
    """Return every step of an order's life, first to last."""
    return order.events.order_by("sequence")


def trades_of(user: User, *, account: VenueAccount | None = None) -> QuerySet[Trade]:
    """Return the user's trades, newest first, with all that a row shows."""
    rows = Trade.objects.for_user(user).select_related("instrument", "book", "venue_account")
    if account is not None:
        rows = rows.filter(venue_account=account)
    return rows.order_by("-pk")


def positions_of(
    user: User, *, account: VenueAccount | None = None, changed_since: datetime | None = None
) -> QuerySet[Position]:
    """Return what the user's books hold or have traded, with instrument and book.

    Emptied positions of closed books are history; `changed_since` brings the recent ones back.
    """
    rows = Position.objects.for_user(user).select_related("instrument", "book__venue_account")
    if account is not None:
        rows = rows.filter(book__venue_account=account)
    is_shown = ~Q(quantity=0) | Q(book__closed_at=None)
    if changed_since is not None:
        is_shown |= Q(updated_at__gte=changed_since)
    return rows.filter(is_shown).order_by("instrument__tradingsymbol", "book_id")


def traded_since(
    user: User, since: datetime, *, account: VenueAccount | None = None
) -> dict[int, DayTrades]:
    """Return per instrument what was bought and sold since a moment."""
    rows = Trade.objects.for_user(user).filter(exchange_time__gte=since)
    if account is not None:
        rows = rows.filter(venue_account=account)
    is_buy, in_quote = Q(side=Side.BUY), Q(fee_asset=F("instrument__quote_asset"))
    value = F("quantity") * F("price")
    sums = rows.values("instrument_id").annotate(
        bought=Sum("quantity", filter=is_buy, default=ZERO),
        sold=Sum("quantity", filter=~is_buy, default=ZERO),
        paid=Sum(value, filter=is_buy, default=ZERO),
        received=Sum(value, filter=~is_buy, default=ZERO),
        fees_quote=Sum("fee", filter=in_quote, default=ZERO),
        fees_base=Sum("fee", filter=~in_quote, default=ZERO),
    )
    return {
        row["instrument_id"]: DayTrades(
            buy_quantity=row["bought"],
            buy_value=row["paid"],
            sell_quantity=row["sold"],
            sell_value=row["received"],
            fees_quote=row["fees_quote"],
            fees_base=row["fees_base"],
        )
        for row in sums
    }


@dataclass(frozen=True, slots=True)
class Pot:
    """Money of one book in its quote asset: free, and held for open orders and short sales."""

    book: Book
    asset: str
    available: Decimal
    held: Decimal

    @property
    def total(self) -> Decimal:
        """Return free and held together."""
        return self.available + self.held


def pots_of(user: User, *, account: VenueAccount | None = None) -> list[Pot]:
    """Return the money of every open book, the Manual book of each account first."""
    rows = LedgerAccount.objects.for_user(user).filter(asset=F("book__quote_asset"))
    if account is not None:
        rows = rows.filter(book__venue_account=account)
    sums: dict[int, list[Decimal]] = {}
    books: dict[int, Book] = {}
    for row in rows.select_related("book__venue_account").order_by("book_id"):
        if row.book is None or (row.book.closed_at and not row.balance):
            continue
        books[row.book.pk] = row.book
        pair = sums.setdefault(row.book.pk, [ZERO, ZERO])
        pair[row.kind != LedgerAccount.Kind.AVAILABLE] += row.balance or ZERO
    order = sorted(books.values(), key=lambda b: (b.venue_account_id, b.kind != "MANUAL", b.pk))
    return [Pot(book, book.quote_asset, *sums[book.pk]) for book in order]


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One change of the money of an account: what happened, by how much, what was left."""

    transaction_id: int
    at: datetime
    kind: str
    ref: str
    book: str
    amount: Decimal
    balance: Decimal


def statement_of(
    account: VenueAccount, *, before: int | None = None, limit: int | None = PAGE_SIZE
) -> list[StatementLine]:
    """Return the changes of an account's settlement asset, newest first.

    Holds move money inside an account and change nothing here. `before` is the transaction id
    the page starts under.
    """
    entries = LedgerEntry.objects.filter(
        account__book__venue_account=account, account__asset=account.settlement_asset
    )
    if before is not None:
        entries = entries.filter(transaction_id__lt=before)
    balance: Decimal = entries.aggregate(total=Sum("amount", default=ZERO))["total"]
    rows = (
        entries.values_list(
            "transaction_id",
            "transaction__at",
            "transaction__kind",
            "transaction__ref",
            "account__book__name",
        )
        .annotate(net=Sum("amount"))
        .exclude(net=0)
        .order_by("-transaction_id", "account__book__name")
    )
    lines = []
    for number, at, kind, ref, book, net in rows[:limit] if limit else rows:
        lines.append(StatementLine(number, at, kind, ref, book, net, balance))
        balance -= net
    return lines


@dataclass(frozen=True, slots=True)
class BookMoney:
    """What a book can spend and sell on an instrument, and what its account charges."""

    free_quote: Decimal
    free_units: Decimal
    # Free ones and those that open sells hold.
    units: Decimal
    fees: AccountFees


def money_of(book: Book, instrument: Instrument, *, now: datetime) -> BookMoney:
    """Return the free money and units of a book for one instrument."""
    rows = LedgerAccount.objects.filter(
        book=book,
        kind__in=[LedgerAccount.Kind.AVAILABLE, LedgerAccount.Kind.HELD],
        asset__in=[instrument.quote_asset, instrument.base_asset],
    )
    free, total = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for row in rows:
        balance = row.balance or ZERO
        total[row.asset] += balance
        if row.kind == LedgerAccount.Kind.AVAILABLE:
            free[row.asset] = balance
    return BookMoney(
        free_quote=free[instrument.quote_asset],
        free_units=free[instrument.base_asset],
        units=total[instrument.base_asset],
        fees=fees_of(book.venue_account, at=now),
    )


def fills_of(user: User, instrument: Instrument, *, since: datetime) -> QuerySet[Trade]:
    """Return the user's trades of an instrument since a moment, oldest first."""
    rows = Trade.objects.for_user(user).filter(instrument=instrument, exchange_time__gte=since)
    return rows.select_related("book").order_by("pk")
