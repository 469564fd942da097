"""Posting to the ledger: balanced sets of entries on the pots of locked books."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models.statements import prepared_cursor
from market.domain.formatting import decimals_of, format_lack, format_number
from market.models import Instrument
from portfolio.domain.fees import ZERO
from portfolio.domain.ledger import (
    AccountKind,
    Entry,
    Posting,
    PostingKind,
    Pot,
    check_balanced,
    entries_of,
)
from portfolio.exceptions import InsufficientFunds, InsufficientUnits, InvalidOrder
from portfolio.models import Book, LedgerTransaction
from portfolio.services.locking import LockedBook, Look, lock_books
from portfolio.services.positions import move_position, receive_position
from portfolio.services.sql import Statement, run_statements

_POTS = """
    SELECT id, book_id, kind, asset, balance FROM portfolio_ledgeraccount
     WHERE asset = ANY(%(assets)s) AND (book_id = ANY(%(books)s) OR book_id IS NULL)
"""
_MAKE_POTS = """
    INSERT INTO portfolio_ledgeraccount (book_id, kind, asset, balance)
    SELECT book_id, kind, asset, CASE WHEN book_id IS NULL THEN NULL ELSE 0 END
      FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS wanted(book_id, kind, asset)
     ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING
"""
# Balances change in ascending id; platform pots store none, so nobody queues on them.
_POST = (
    "posted",
    """INSERT INTO portfolio_ledgertransaction (ref, kind, at)
       SELECT ref, kind, at FROM json_populate_recordset(null::portfolio_ledgertransaction, %s)
       RETURNING id, ref""",
)
_ENTRIES = (
    "entered",
    """INSERT INTO portfolio_ledgerentry (transaction_id, account_id, amount)
       SELECT posted.id, e.account_id, e.amount
         FROM json_to_recordset(%s) AS e(ref text, account_id bigint, amount numeric)
         JOIN posted USING (ref)""",
)
_BALANCES = (
    "balanced",
    """UPDATE portfolio_ledgeraccount a SET balance = a.balance + d.amount
         FROM (SELECT l.id, d.amount
                 FROM portfolio_ledgeraccount l
                 JOIN json_to_recordset(%s) AS d(id bigint, amount numeric) ON d.id = l.id
                WHERE l.balance IS NOT NULL ORDER BY l.id FOR UPDATE OF l) d
        WHERE a.id = d.id""",
)


def _units(quantity: Decimal) -> str:
    return format_number(quantity, decimals=decimals_of(quantity))


# What an order or a trade may draw on other pots for.
_COVERED = frozenset({PostingKind.HOLD, PostingKind.TRADE})
# The two books of one purse.
_PURSE = frozenset({Book.Kind.MANUAL, Book.Kind.INTRADAY})


@dataclass(frozen=True, slots=True)
class _Source:
    """A pot that an order may take from, how much of it, and what that is called."""

    name: str
    kind: PostingKind
    pot: Pot
    amount: Decimal


def pots_of(assets: Iterable[str]) -> Look:
    """Return the look at the pots that books have for the assets."""
    return Look(_POTS, {"assets": sorted(set(assets))})


class Postings:
    """Balances of locked books in memory, and the postings that change them, until saved.

    What an order or a trade takes beyond the AVAILABLE of its book is brought there first: in an
    intraday book units are borrowed and money comes out of MARGIN (`Changes` then sees to it that
    MARGIN has what it must), in both books of a purse money comes from the other one, if locked.
    """

    def __init__(
        self, books: Iterable[LockedBook], assets: Iterable[str], *, pots: Look | None = None
    ) -> None:
        """Read the pots of the books (all locked) for the assets; `pots` has read them already."""
        self._books = {book.id: book for book in books}
        self._assets = set(assets)
        self._ids: dict[Pot, int] = {}
        self._balances: dict[Pot, Decimal] = {}
        self._changes: dict[Pot, Decimal] = defaultdict(Decimal)
        self._postings: list[Posting] = []
        if pots is not None:
            self._assets |= set(pots.values["assets"])
            self._keep(pots.rows)
        elif self._assets:
            self._read()

    def reach(self, *, assets: Iterable[str] = (), book: LockedBook | None = None) -> None:
        """Read more pots: of further assets, or of one more locked book."""
        more = set(assets) - self._assets
        if book is not None:
            self._books[book.id] = book
        if more or book is not None:
            self._assets |= more
            self._read()

    def _read(self) -> None:
        look = pots_of(self._assets)
        with prepared_cursor() as cursor:
            cursor.execute(look.query, {**look.values, "books": sorted(self._books)})
            self._keep(cursor.fetchall())

    def _keep(self, rows: Iterable[Sequence[Any]]) -> None:
        for identity, book_id, kind, asset, balance in rows:
            pot = Pot(book_id, AccountKind(kind), asset)
            self._ids[pot] = identity
            if balance is not None:
                self._balances[pot] = balance

    def balance(self, book_id: int, kind: AccountKind, asset: str) -> Decimal:
        """Return a balance, postings made so far included."""
        pot = Pot(book_id, kind, asset)
        return self._balances.get(pot, ZERO) + self._changes.get(pot, ZERO)

    def stored(self, book_id: int, kind: AccountKind, asset: str) -> Decimal:
        """Return a balance as it was before these postings."""
        return self._balances.get(Pot(book_id, kind, asset), ZERO)

    def available(self, book_id: int, asset: str) -> Decimal:
        """Return what a book can spend of an asset."""
        return self.balance(book_id, AccountKind.AVAILABLE, asset)

    def post(self, ref: str, kind: PostingKind, entries: Sequence[Entry], *, at: datetime) -> None:
        """Add a balanced posting; raise `InsufficientFunds` where a pot would go below zero."""
        posting = Posting(ref=ref, kind=kind, at=at, entries=entries_of(entries))
        if not posting.entries:
            return
        check_balanced(posting)
        brought = [
            each
            for pot, amount in posting.entries
            if pot.book_id is not None and amount < 0 and pot.kind is not AccountKind.BORROWED
            for each in self._bring(posting, pot, -amount)
        ]
        for each in (*brought, posting):
            for pot, amount in each.entries:
                self._changes[pot] += amount
            self._postings.append(each)

    def _bring(self, posting: Posting, pot: Pot, amount: Decimal) -> Iterator[Posting]:
        """Yield what brings the amount into the pot where the pot has less; raise if nobody has."""
        have = self._balances.get(pot, ZERO) + self._changes.get(pot, ZERO)
        missing = amount - have
        if missing <= 0:
            return
        book = self._books[pot.book_id or 0]
        sources: list[_Source] = []
        if posting.kind in _COVERED and pot.kind is AccountKind.AVAILABLE:
            sources = list(self._sources(book, pot.asset, missing))
        found = sum((source.amount for source in sources), ZERO)
        if found < missing:
            raise lack_of(book, pot.asset, needed=amount, available=have + found)
        for source in sources:
            part = min(missing, source.amount)
            missing -= part
            entries = ((source.pot, -part), (pot, part))
            if part:
                ref = f"{posting.ref}:{source.name}"
                yield Posting(ref=ref, kind=source.kind, at=posting.at, entries=entries)

    def _sources(self, book: LockedBook, asset: str, missing: Decimal) -> Iterator["_Source"]:
        """Yield where an order of a book may take from what its AVAILABLE does not have."""
        is_intraday = book.kind == Book.Kind.INTRADAY
        if asset != book.quote_asset:
            if is_intraday:
                owed = Pot(book.id, AccountKind.BORROWED, asset)
                yield _Source("borrow", PostingKind.BORROW, owed, missing)
            return
        if is_intraday:
            margin = Pot(book.id, AccountKind.MARGIN, asset)
            amount = self.balance(book.id, AccountKind.MARGIN, asset)
            yield _Source("margin", PostingKind.MARGIN, margin, amount)
        other = self.purse_mate(book)
        if other is not None:
            free = Pot(other.id, AccountKind.AVAILABLE, asset)
            amount = self.available(other.id, asset)
            yield _Source("purse", PostingKind.TRANSFER, free, amount)

    def purse_mate(self, book: LockedBook) -> LockedBook | None:
        """Return the other book of the book's purse, where it is locked as well."""
        if book.kind not in _PURSE:
            return None
        for other in self._books.values():
            is_of_account = other.venue_account_id == book.venue_account_id
            if other.id != book.id and is_of_account and other.kind in _PURSE:
                return other
        return None

    def statements(self) -> list[Statement]:
        """Return what writes the postings, for one round trip together with other writes."""
        if not self._postings:
            return []
        self._ensure_pots()
        rows = [{"ref": p.ref, "kind": p.kind, "at": p.at} for p in self._postings]
        entries = [
            {"ref": posting.ref, "account_id": self._ids[pot], "amount": amount}
            for posting in self._postings
            for pot, amount in posting.entries
        ]
        balances = [
            {"id": self._ids[pot], "amount": amount}
            for pot, amount in self._changes.items()
            if pot.book_id is not None and amount
        ]
        written: list[Statement] = [(*_POST, rows), (*_ENTRIES, entries)]
        if balances:
            written.append((*_BALANCES, balances))
        return written

    def _ensure_pots(self) -> None:
        used = {pot for posting in self._postings for pot, _ in posting.entries}
        missing = [pot for pot in used if pot not in self._ids]
        if not missing:
            return
        values: list[Any] = [
            [pot.book_id for pot in missing],
            [str(pot.kind) for pot in missing],
            [pot.asset for pot in missing],
        ]
        with prepared_cursor() as cursor:
            cursor.execute(_MAKE_POTS, values)
        self._read()


def reach_mate(postings: Postings, book: LockedBook, *, now: datetime) -> bool:
    """Lock the intraday book of a Manual book's purse too; False where there is none.

    It is the younger of both, so this is in the order of locks.
    """
    if book.kind != Book.Kind.MANUAL or postings.purse_mate(book) is not None:
        return False
    mates = Book.objects.filter(venue_account=book.venue_account_id, kind=Book.Kind.INTRADAY)
    found = mates.filter(pk__gt=book.id).values_list("pk", flat=True).first()
    if found is None:
        return False
    postings.reach(book=lock_books([found], now=now)[found])
    return True


def lack_of(
    book: LockedBook, asset: str, *, needed: Decimal, available: Decimal
) -> InsufficientFunds:
    """Return the refusal that says what is missing: money, or units."""
    if asset == book.quote_asset:
        message = format_lack(needed, available, asset=asset)
        return InsufficientFunds(message, asset=asset, needed=needed, available=available)
    have = f"{_units(available)} {asset} available"
    message = f"{_units(needed)} {asset} needed, {have}"
    return InsufficientUnits(message, asset=asset, needed=needed, available=available)


def plain(amount: Decimal) -> str:
    """Write a number without exponent and without trailing zeros."""
    return format(amount.normalize(), "f")


def post(
    ref: str,
    kind: PostingKind,
    entries: Sequence[Entry],
    *,
    books: Sequence[LockedBook],
    at: datetime,
) -> None:
    """Write one posting on locked books."""
    postings = Postings(books, {pot.asset for pot, _ in entries})
    postings.post(ref, kind, entries, at=at)
    run_statements(postings.statements())


def deposit(book_id: int, *, asset: str, amount: Decimal, ref: str, now: datetime) -> bool:
    """Bring money or units into a book from outside; False when `ref` was posted before."""
    return _move(None, book_id, asset=asset, amount=amount, ref=ref, now=now)


def withdraw(book_id: int, *, asset: str, amount: Decimal, ref: str, now: datetime) -> bool:
    """Take money or units out of a book; False when `ref` was posted before."""
    return _move(book_id, None, asset=asset, amount=amount, ref=ref, now=now)


def transfer(
    from_book_id: int, to_book_id: int, *, asset: str, amount: Decimal, ref: str, now: datetime
) -> bool:
    """Move money or units between two books of a venue account; units bring their cost.

    False when `ref` was posted before. Raises `InsufficientFunds` / `InsufficientUnits`.
    """
    return _move(from_book_id, to_book_id, asset=asset, amount=amount, ref=ref, now=now)


def _move(
    from_id: int | None, to_id: int | None, *, asset: str, amount: Decimal, ref: str, now: datetime
) -> bool:
    if not amount.is_finite() or amount <= 0:
        raise InvalidOrder("Amount must be above 0", field="amount", code="BELOW_MIN")
    with transaction.atomic():
        ids = [each for each in (from_id, to_id) if each is not None]
        books = lock_books(ids, now=now)
        _check_movable(ids, books)
        if LedgerTransaction.objects.filter(ref=ref).exists():
            return False
        kind = PostingKind.TRANSFER if len(ids) == 2 else PostingKind.DEPOSIT
        entries = ((_pot(from_id, asset), -amount), (_pot(to_id, asset), amount))
        post(ref, kind, entries, books=list(books.values()), at=now)
        _move_units(from_id, to_id, books=books, asset=asset, amount=amount, now=now)
    return True


def _pot(book_id: int | None, asset: str) -> Pot:
    kind = AccountKind.EXTERNAL if book_id is None else AccountKind.AVAILABLE
    return Pot(book_id, kind, asset)


def _check_movable(ids: Sequence[int], books: dict[int, LockedBook]) -> None:
    accounts = {book.venue_account_id for book in books.values()}
    if len(books) != len(set(ids)) or len(accounts) != 1 or len(set(ids)) != len(ids):
        raise InvalidOrder(
            "Money moves between two books of one venue account", field="book", code="ORDER"
        )


def _move_units(
    from_id: int | None,
    to_id: int | None,
    *,
    books: dict[int, LockedBook],
    asset: str,
    amount: Decimal,
    now: datetime,
) -> None:
    """Let the positions follow the units; money has no position."""
    quote_asset = next(iter(books.values())).quote_asset
    if asset == quote_asset:
        return
    parts: list[tuple[int, Decimal, Decimal]] = []
    if from_id is not None:
        parts = move_position(books[from_id], asset=asset, amount=amount, now=now)
    else:
        parts = [(_instrument_of(asset, quote_asset), amount, ZERO)]
    if to_id is not None:
        for instrument_id, quantity, cost in parts:
            receive_position(books[to_id], instrument_id, quantity=quantity, cost=cost, now=now)


def _instrument_of(asset: str, quote_asset: str) -> int:
    found = Instrument.objects.filter(base_asset=asset, quote_asset=quote_asset).order_by("pk")
    token = found.values_list("pk", flat=True).first()
    if token is None:
        message = f"There is no instrument of {asset} in {quote_asset}"
        raise InvalidOrder(message, field="asset", code="UNKNOWN")
    return token
