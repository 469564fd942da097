"""What the owner of a book does with it besides ordering."""

from datetime import datetime

from django.db import connection

from portfolio.exceptions import InvalidOrder
from portfolio.models import Book, LedgerAccount
from portfolio.selectors.orders import open_orders_of_book

_ACK = """
    UPDATE portfolio_book SET consumed_seq = least(%s, event_seq)
     WHERE id = %s AND consumed_seq < least(%s, event_seq)
"""


def ack_book_events(book_id: int, seq: int) -> None:
    """Note that the owner has dealt with the book's events up to `seq`; never goes back."""
    with connection.cursor() as cursor:
        cursor.execute(_ACK, [seq, book_id, seq])


def set_trading_state(book_id: int, state: str) -> None:
    """Say what may be sent from a book."""
    Book.objects.filter(pk=book_id).update(trading_state=Book.TradingState(state))


def close_book(book_id: int, *, now: datetime) -> None:
    """Close a book for good: it must hold nothing and have nothing open."""
    if open_orders_of_book(book_id).exists():
        raise InvalidOrder("The book has open orders", field="book", code="ORDER")
    if LedgerAccount.objects.filter(book=book_id, balance__gt=0).exists():
        raise InvalidOrder("The book still holds something", field="book", code="ORDER")
    Book.objects.filter(pk=book_id, closed_at=None).update(closed_at=now)
