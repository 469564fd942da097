"""The intraday product (MIS): its book, which shares one purse with Manual, and conversions.

A trader has one purse and two books per paper account: Manual (CNC) and Intraday (MIS). Orders
of both are placed by `place_order` / `place_orders` on the book that `book_for` names; what is
missing there is taken from the other book's free money, in the same transaction. What is left
idle in Intraday goes back to Manual by `square_off.tidy_purses`, every half minute.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from secrets import token_hex

from django.db import transaction

from accounts.models import User
from accounts.services.audit import record
from market.domain.calendars import square_off_at
from market.domain.enums import FeeMode, Product, Side
from market.domain.formatting import plain
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from market.models import Instrument
from market.selectors import no_instrument
from market.streams import push_event
from portfolio.domain.drafts import is_intraday
from portfolio.domain.fees import ZERO
from portfolio.domain.ledger import AccountKind, PostingKind, Pot
from portfolio.domain.positions import move_in, move_out
from portfolio.exceptions import InsufficientUnits, InvalidOrder
from portfolio.models import Book, PositionConversion, VenueAccount
from portfolio.selectors.order_margins import trading_account, trading_book, trading_place
from portfolio.services.accounts import manual_book, open_book
from portfolio.services.ledger import Postings
from portfolio.services.locking import LockedBook, lock_books
from portfolio.services.margin import News, keep_collateral
from portfolio.services.positions import Holdings
from portfolio.services.sql import run_statements

BOOK_NAME = "Intraday"


def book_for(user: User, *, product: Product, quote_asset: str, now: datetime) -> Book:
    """Return the book that a person's orders of a product go to: Manual, or Intraday for MIS.

    The intraday book is made when it is first asked for. Raises `InvalidOrder`.
    """
    if product is Product.NRML:
        message = "Product NRML is for futures, which come later; use CNC or MIS"
        raise InvalidOrder(message, field="product", code="NOT_OFFERED")
    found = trading_book(user, quote_asset, kind=_kind_for(product))
    if found is not None:
        return found
    account = trading_account(user, quote_asset)
    return intraday_book(account, now=now) if product is Product.MIS else manual_book(account)


def _kind_for(product: Product) -> Book.Kind:
    return Book.Kind.INTRADAY if product is Product.MIS else Book.Kind.MANUAL


def place_for(
    user: User, *, product: Product, exchange: str, tradingsymbol: str
) -> tuple[Instrument, Book | None]:
    """Return an instrument and, where it is there already, the book that `book_for` would return.

    Raises `InstrumentNotFound`.
    """
    instrument, book = trading_place(
        user, exchange=exchange, tradingsymbol=tradingsymbol, kind=_kind_for(product)
    )
    if instrument is None:
        raise no_instrument(f"{exchange}:{tradingsymbol}")
    return instrument, None if product is Product.NRML else book


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


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to become of a position: so many of its units of another product.

    `side` is that of the position: BUY for a long one, SELL for a short one.
    """

    instrument: InstrumentSpec
    side: Side
    quantity: Decimal
    old_product: Product
    new_product: Product


def convert_position(user: User, wanted: Conversion, *, quote: Quote | None, now: datetime) -> None:
    """Make CNC units MIS or the other way round; they bring what they cost, no money moves.

    Asking twice converts twice: the door keeps its answer. Raises `InvalidOrder`, or
    `InsufficientUnits` where the units are not there or wait in open orders to be sold.
    """
    _refuse_conversion(wanted)
    old_id, new_id = (
        book_for(user, product=product, quote_asset=wanted.instrument.quote_asset, now=now).pk
        for product in (wanted.old_product, wanted.new_product)
    )
    with transaction.atomic():
        books = lock_books([old_id, new_id], now=now)
        holdings = Holdings((book_id, wanted.instrument.instrument_token) for book_id in books)
        if wanted.new_product is Product.MIS:
            _refuse_late(wanted, new_id, holdings, quote=quote, now=now)
        _move_units(wanted, (books[old_id], books[new_id]), holdings, now=now)
        _tell(user, wanted, account_id=books[old_id].venue_account_id, now=now)


def _refuse_conversion(wanted: Conversion) -> None:
    instrument, quantity = wanted.instrument, wanted.quantity
    if {wanted.old_product, wanted.new_product} != {Product.CNC, Product.MIS}:
        message = "A position can be converted from CNC to MIS and from MIS to CNC"
        raise InvalidOrder(message, field="new_product", code="NOT_OFFERED")
    if not is_intraday(instrument):
        message = f"Product MIS is not offered on {instrument.symbol}"
        raise InvalidOrder(message, field="new_product", code="NOT_OFFERED")
    if not quantity.is_finite() or quantity <= 0 or not instrument.is_on_lot(quantity):
        least = instrument.lot_size
        message = f"Quantity must be a multiple of {plain(least)}, above 0"
        raise InvalidOrder(message, field="quantity", code="NOT_LOT", minimum=least)
    if wanted.side is not Side.SELL:
        return
    if wanted.new_product is Product.CNC:
        message = "A short position cannot become CNC: buy it back"
        raise InvalidOrder(message, field="new_product", code="NOT_OFFERED")
    message = f"There is no short CNC position of {instrument.symbol}"
    raise InsufficientUnits(message, asset=instrument.base_asset, needed=quantity, available=ZERO)


def _refuse_late(
    wanted: Conversion, book_id: int, holdings: Holdings, *, quote: Quote | None, now: datetime
) -> None:
    """Refuse to add to a position that is short, or that is about to be squared off."""
    instrument = wanted.instrument
    if holdings.get(book_id, instrument.instrument_token).quantity < 0:
        message = f"Your MIS position of {instrument.symbol} is short: buy it back first"
        raise InvalidOrder(message, field="new_product", code="ORDER")
    if quote is None:
        message = f"There is no price of {instrument.symbol}: its trading day is not known"
        raise InvalidOrder(message, field="tradingsymbol", code="STALE")
    since = holdings.opened_at(book_id, instrument.instrument_token) or now
    moments = (square_off_at(instrument.calendar, quote.source, at) for at in (now, since))
    if now >= min(moments):
        message = f"MIS trading of {instrument.symbol} has ended for the day"
        raise InvalidOrder(message, field="new_product", code="CLOSED")


def _move_units(
    wanted: Conversion, books: tuple[LockedBook, LockedBook], holdings: Holdings, *, now: datetime
) -> None:
    """Move units and their cost from the first to the second of two locked books."""
    token, asset = wanted.instrument.instrument_token, wanted.instrument.base_asset
    old, new = books
    postings = Postings(books, {asset, wanted.instrument.quote_asset})
    ref = f"convert:{old.id}:{new.id}:{token_hex(8)}"
    pots = [Pot(book.id, AccountKind.AVAILABLE, asset) for book in books]
    entries = ((pots[0], -wanted.quantity), (pots[1], wanted.quantity))
    postings.post(ref, PostingKind.TRANSFER, entries, at=now)
    left, cost = move_out(holdings.get(old.id, token), wanted.quantity)
    more = move_in(holdings.get(new.id, token), wanted.quantity, cost=cost)
    holdings.put(old, token, left, at=now)
    holdings.put(new, token, more, at=now)
    intraday = old if old.kind == Book.Kind.INTRADAY else new
    news = News(holdings=holdings, assets=(asset,))
    keep_collateral(postings, intraday, news, ref=f"{ref}:settle", at=now)
    run_statements([*holdings.statements(), *postings.statements()])
    PositionConversion.objects.create(
        user_id=old.user_id,
        instrument_id=token,
        old_book_id=old.id,
        new_book_id=new.id,
        quantity=wanted.quantity,
        cost=cost,
        at=now,
    )


def _tell(user: User, wanted: Conversion, *, account_id: int, now: datetime) -> None:
    """Tell the user's pages and, last, the audit log: a conversion has no order to tell of it."""
    transaction.on_commit(lambda: push_event(user.pk, "balance", {}))
    detail = {
        "instrument": wanted.instrument.symbol,
        "quantity": plain(wanted.quantity),
        "from": wanted.old_product,
        "to": wanted.new_product,
    }
    target = f"venue_account {account_id}"
    record(actor=user, kind="position_converted", target=target, detail=detail, now=now)
