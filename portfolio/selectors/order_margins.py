"""What orders would need and be charged: reads for the margin and charges calculators."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Model

from accounts.models import User
from accounts.models.statements import prepared_cursor
from market.domain.enums import AccountMode, Product
from market.domain.ticks import Quote
from market.exceptions import QuoteUnavailable
from market.models import Instrument
from portfolio.domain.account_fees import AccountFees, Deal
from portfolio.domain.charges import Charges
from portfolio.domain.drafts import LARGEST_VALUE
from portfolio.domain.fees import ZERO
from portfolio.domain.order_margins import (
    BasketMargin,
    Priced,
    Units,
    Wanted,
    basket_margin,
    margins_alone,
    unit_margin,
)
from portfolio.exceptions import InvalidOrder
from portfolio.models import Book, LedgerAccount, Position, VenueAccount
from portfolio.selectors.charges import fees_of


def trading_account(user: User, quote_asset: str) -> VenueAccount:
    """Return the account that a user's orders in an asset go to: his oldest paper account.

    Raises `InvalidOrder` where he has none.
    """
    accounts = VenueAccount.objects.for_user(user).filter(settlement_asset=quote_asset)
    account = accounts.filter(mode=AccountMode.PAPER).order_by("pk").first()
    if account is None:
        message = f"You have no account that trades in {quote_asset}"
        raise InvalidOrder(message, field="exchange", code="NOT_OFFERED")
    return account


def trading_book(user: User, quote_asset: str, *, kind: str) -> Book | None:
    """Return that account's book of a kind with its account, in one query; None without one."""
    with prepared_cursor() as cursor:
        cursor.execute(_TRADING_BOOK, [user.pk, quote_asset, AccountMode.PAPER.value, kind])
        row = cursor.fetchone()
    if row is None:
        return None
    book = Book.from_db(connection.alias, _BOOK, row[: len(_BOOK)])
    book.venue_account = VenueAccount.from_db(connection.alias, _ACCOUNT, row[len(_BOOK) :])
    return book


def trading_place(
    user: User, *, exchange: str, tradingsymbol: str, kind: str
) -> tuple[Instrument | None, Book | None]:
    """Return an instrument, and that account's book of a kind in its asset, in one query.

    Of the book no more is read than whose it is and which rules its account has.
    """
    with prepared_cursor() as cursor:
        paper = AccountMode.PAPER.value
        cursor.execute(_TRADING_PLACE, [user.pk, paper, kind, exchange, tradingsymbol])
        row = cursor.fetchone()
    if row is None:
        return None, None
    instrument = Instrument.from_db(connection.alias, _INSTRUMENT, row[:-3])
    book_id, account_id, profile = row[-3:]
    if book_id is None:
        return instrument, None
    book = Book.from_db(
        connection.alias, ["id", "user_id", "venue_account_id"], [book_id, user.pk, account_id]
    )
    columns = ["id", "compliance_profile"]
    book.venue_account = VenueAccount.from_db(connection.alias, columns, [account_id, profile])
    return instrument, book


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's API


# Written by hand: every order of a program asks, and the ORM takes 2 ms to say the same.
_BOOK, _ACCOUNT = _columns(Book), _columns(VenueAccount)
_INSTRUMENT = _columns(Instrument)
_TRADING_BOOK = f"""
    SELECT {", ".join(f"b.{name}" for name in _BOOK)}, {", ".join(f"v.{name}" for name in _ACCOUNT)}
      FROM portfolio_book b JOIN portfolio_venueaccount v ON v.id = b.venue_account_id
     WHERE v.id = (SELECT id FROM portfolio_venueaccount
                    WHERE user_id = %s AND settlement_asset = %s AND mode = %s
                    ORDER BY id LIMIT 1)
       AND b.kind = %s
"""  # noqa: S608 - own names
_TRADING_PLACE = f"""
    SELECT {", ".join(f"i.{name}" for name in _INSTRUMENT)}, b.id, v.id, v.compliance_profile
      FROM market_instrument i
      LEFT JOIN LATERAL (
           SELECT id, compliance_profile FROM portfolio_venueaccount
            WHERE user_id = %s AND settlement_asset = i.quote_asset AND mode = %s
            ORDER BY id LIMIT 1) v ON true
      LEFT JOIN portfolio_book b ON b.venue_account_id = v.id AND b.kind = %s
     WHERE i.exchange = %s AND i.tradingsymbol = %s
"""  # noqa: S608 - own names


def margins_of(
    user: User, orders: Sequence[Wanted], *, quotes: Mapping[int, Quote], now: datetime
) -> list[tuple[Priced, Decimal]]:
    """Return what each order needs by itself, beside what is held and on order.

    Raises `InvalidOrder` for what is not offered, `QuoteUnavailable` where a price is missing.
    """
    accounts = _accounts(user, orders)
    priced = _priced(orders, accounts, quotes=quotes, now=now)
    return list(zip(priced, margins_alone(priced, _held(accounts.values())), strict=True))


def basket_of(
    user: User,
    orders: Sequence[Wanted],
    *,
    quotes: Mapping[int, Quote],
    considers_held: bool,
    now: datetime,
) -> tuple[list[Priced], BasketMargin]:
    """Return what orders need together; where asked for, beside what is held. Raises as above."""
    accounts = _accounts(user, orders)
    priced = _priced(orders, accounts, quotes=quotes, now=now)
    return priced, basket_margin(priced, _held(accounts.values()) if considers_held else {})


def charges_of(user: User, orders: Sequence[Wanted], *, now: datetime) -> list[Charges]:
    """Return what orders cost that trade at their price, by the schedules and rates of now."""
    fees = _fees(_accounts(user, orders), now=now)
    return [_charges(order, fees, price=order.price, now=now) for order in orders]


_Accounts = dict[str, VenueAccount]


def _accounts(user: User, orders: Iterable[Wanted]) -> _Accounts:
    assets = sorted({order.instrument.quote_asset for order in orders})
    return {asset: trading_account(user, asset) for asset in assets}


def _fees(accounts: _Accounts, *, now: datetime) -> dict[str, AccountFees]:
    return {asset: fees_of(account, at=now) for asset, account in accounts.items()}


def _charges(
    order: Wanted, fees: Mapping[str, AccountFees], *, price: Decimal, now: datetime
) -> Charges:
    spec = order.instrument
    if order.quantity * price > LARGEST_VALUE:
        message = f"The value of the order of {spec.symbol} is too large"
        raise InvalidOrder(message, field="quantity", code="ABOVE_MAX")
    deal = Deal(order.side, spec.exchange, order.product, now)
    return fees[spec.quote_asset].of_order(deal, order.quantity, price)


def _priced(
    orders: Iterable[Wanted],
    accounts: _Accounts,
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
) -> list[Priced]:
    fees = _fees(accounts, now=now)
    priced = []
    for order in orders:
        draft, quote = order.draft, quotes.get(order.instrument.instrument_token)
        each = unit_margin(draft, quote)
        if each is None:
            raise QuoteUnavailable(f"There is no price of {order.instrument.symbol} now")
        charges = _charges(order, fees, price=draft.price or each, now=now)
        priced.append(Priced(order, each, charges))
    return priced


def _held(accounts: Iterable[VenueAccount]) -> Units:
    """Return the free units of the accounts' two books, and what is short in the intraday one."""
    books = Book.objects.filter(
        venue_account__in=[account.pk for account in accounts],
        kind__in=[Book.Kind.MANUAL, Book.Kind.INTRADAY],
    )
    positions = Position.objects.filter(book__in=books).exclude(quantity=0)
    free = {
        (row.book_id, row.asset): row.balance
        for row in LedgerAccount.objects.filter(
            book__in=books, kind=LedgerAccount.Kind.AVAILABLE, balance__gt=0
        )
    }
    units: dict[tuple[int, Product], Decimal] = {}
    for row in positions.select_related("book", "instrument"):
        product = Product.MIS if row.book.kind == Book.Kind.INTRADAY else Product.CNC
        owned = free.get((row.book_id, row.instrument.base_asset)) or ZERO
        units[row.instrument_id, product] = min(row.quantity, owned)
    return units
