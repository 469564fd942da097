"""The intraday product (MIS): its book, which shares one purse with Manual, and conversions.

A trader has one purse and two books per paper account: Manual (CNC) and Intraday (MIS). Orders
of both are placed by `place_order` / `place_orders` on the book that `book_for` names; what is
missing there is taken from the other book's free money, in the same transaction.
"""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from market.domain.enums import FeeMode, Product
from portfolio.exceptions import InvalidOrder
from portfolio.models import Book, VenueAccount
from portfolio.selectors.order_margins import trading_account
from portfolio.services.accounts import manual_book, open_book
from portfolio.services.locking import lock_books

BOOK_NAME = "Intraday"


def book_for(user: User, *, product: Product, quote_asset: str, now: datetime) -> Book:
    """Return the book that a person's orders of a product go to: Manual, or Intraday for MIS.

    The intraday book is made when it is first asked for. Raises `InvalidOrder`.
    """
    account = trading_account(user, quote_asset)
    match product:
        case Product.CNC:
            return manual_book(account)
        case Product.MIS:
            return intraday_book(account, now=now)
        case Product.NRML:
            message = "Product NRML is for futures, which come later; use CNC or MIS"
            raise InvalidOrder(message, field="product", code="NOT_OFFERED")


def intraday_book(account: VenueAccount, *, now: datetime) -> Book:
    """Return the book of an account's intraday trading; it is opened when there is none."""
    found = Book.objects.filter(venue_account=account, kind=Book.Kind.INTRADAY).first()
    if found is not None:
        return found
    if account.fee_mode != FeeMode.QUOTE:
        message = "MIS needs an account whose fees are paid in money"
        raise InvalidOrder(message, field="product", code="NOT_OFFERED")
    with transaction.atomic():
        # Two who ask at once: the second waits here and finds the first one's book.
        lock_books([manual_book(account).pk], now=now)
        found = Book.objects.filter(venue_account=account, kind=Book.Kind.INTRADAY).first()
        return found or open_book(account, name=BOOK_NAME, kind=Book.Kind.INTRADAY, now=now)
