"""Positions of locked books: read once, changed in memory, written together."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime
from decimal import Decimal

from accounts.models.statements import prepared_cursor
from portfolio.domain.fees import ZERO
from portfolio.domain.positions import Holding, move_in, move_out
from portfolio.exceptions import InsufficientUnits
from portfolio.services.locking import LockedBook
from portfolio.services.sql import Statement, run_statements

_COLUMNS = tuple(field.name for field in fields(Holding))
_NAMES = ", ".join(_COLUMNS)
_READ = (
    f"SELECT book_id, instrument_id, opened_at, {_NAMES} FROM portfolio_position"  # noqa: S608 - own names
    " WHERE book_id = ANY(%s) AND instrument_id = ANY(%s) ORDER BY id FOR UPDATE"
)
_READ_ASSET = (
    "SELECT p.instrument_id, "  # noqa: S608 - own names
    + ", ".join(f"p.{name}" for name in _COLUMNS)
    + """ FROM portfolio_position p
          JOIN market_instrument i ON i.instrument_token = p.instrument_id
         WHERE p.book_id = %s AND i.base_asset = %s AND p.quantity > 0
         ORDER BY p.id FOR UPDATE OF p"""
)
_WRITE = (
    "held",
    f"""INSERT INTO portfolio_position AS p
               (user_id, book_id, instrument_id, updated_at, opened_at, {_NAMES})
        SELECT user_id, book_id, instrument_id, updated_at,
               CASE WHEN quantity <> 0 THEN updated_at END, {_NAMES}
          FROM json_populate_recordset(null::portfolio_position, %s)
            ON CONFLICT (book_id, instrument_id) DO UPDATE SET
               updated_at = excluded.updated_at,
               opened_at = CASE WHEN p.quantity * excluded.quantity > 0
                                THEN coalesce(p.opened_at, excluded.opened_at)
                                ELSE excluded.opened_at END, """  # noqa: S608 - own names
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS),
)

Key = tuple[int, int]


class Holdings:
    """What locked books hold of some instruments, and what of it changed."""

    def __init__(self, keys: Iterable[Key]) -> None:
        """Read and lock the positions of (book, instrument) pairs; their books are locked."""
        wanted = set(keys)
        self._held: dict[Key, Holding] = {}
        self._opened: dict[Key, datetime | None] = {}
        self._changed: dict[Key, tuple[int, datetime]] = {}
        books, instruments = {key[0] for key in wanted}, {key[1] for key in wanted}
        with prepared_cursor() as cursor:
            cursor.execute(_READ, [sorted(books), sorted(instruments)])
            for book_id, instrument_id, opened_at, *values in cursor.fetchall():
                self._held[book_id, instrument_id] = Holding(*values)
                self._opened[book_id, instrument_id] = opened_at

    def get(self, book_id: int, instrument_id: int) -> Holding:
        """Return what a book holds of an instrument."""
        return self._held.get((book_id, instrument_id), Holding())

    def opened_at(self, book_id: int, instrument_id: int) -> datetime | None:
        """Return since when a position, as it was read, is not flat."""
        return self._opened.get((book_id, instrument_id))

    def of_book(self, book_id: int) -> list[tuple[int, Holding]]:
        """Return what a book holds of the instruments read, by instrument."""
        return [(key[1], held) for key, held in self._held.items() if key[0] == book_id]

    def put(self, book: LockedBook, instrument_id: int, holding: Holding, *, at: datetime) -> None:
        """Remember what a book holds now."""
        self._held[book.id, instrument_id] = holding
        self._changed[book.id, instrument_id] = (book.user_id, at)

    def statements(self) -> list[Statement]:
        """Return what writes the changed positions."""
        rows = [
            {
                "user_id": user_id,
                "book_id": book_id,
                "instrument_id": instrument_id,
                "updated_at": at,
                **asdict(self._held[book_id, instrument_id]),
            }
            for (book_id, instrument_id), (user_id, at) in sorted(self._changed.items())
        ]
        return [(*_WRITE, rows)] if rows else []


def move_position(
    book: LockedBook, *, asset: str, amount: Decimal, now: datetime
) -> list[tuple[int, Decimal, Decimal]]:
    """Take units out of a book's positions of an asset; return (instrument, units, cost) taken."""
    with prepared_cursor() as cursor:
        cursor.execute(_READ_ASSET, [book.id, asset])
        rows = [(row[0], Holding(*row[1:])) for row in cursor.fetchall()]
    holdings = Holdings([])
    taken: list[tuple[int, Decimal, Decimal]] = []
    missing = amount
    for instrument_id, holding in rows:
        part = min(missing, holding.quantity)
        if not part:
            break
        left, cost = move_out(holding, part)
        holdings.put(book, instrument_id, left, at=now)
        taken.append((instrument_id, part, cost))
        missing -= part
    if missing > ZERO:
        message = f"the positions of {asset} hold {amount - missing}, not {amount}"
        raise InsufficientUnits(message, asset=asset, needed=amount, available=amount - missing)
    run_statements(holdings.statements())
    return taken


def receive_position(
    book: LockedBook, instrument_id: int, *, quantity: Decimal, cost: Decimal, now: datetime
) -> None:
    """Add units and their cost to a book's position."""
    holdings = Holdings([(book.id, instrument_id)])
    after = move_in(holdings.get(book.id, instrument_id), quantity, cost=cost)
    holdings.put(book, instrument_id, after, at=now)
    run_statements(holdings.statements())
