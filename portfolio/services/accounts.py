"""Opening venue accounts and books: with them come fees, pots and switches."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from market.domain.enums import AccountMode, FeeMode
from portfolio.models import Book, FeeSchedule, KillSwitch, VenueAccount
from portfolio.services.ledger import deposit

PAPER_FEE = Decimal("0.0005")
PAPER_FUNDS = (("Paper INR", "INR", Decimal(1_000_000)), ("Paper USDT", "USDT", Decimal(10_000)))


def open_paper_accounts(user: User, *, now: datetime) -> tuple[VenueAccount, VenueAccount]:
    """Give a user the two paper accounts with their money; again, it returns the same two."""
    with transaction.atomic():
        first, second = (
            _paper_account(user, name=name, asset=asset, funds=funds, now=now)
            for name, asset, funds in PAPER_FUNDS
        )
    return first, second


def _paper_account(
    user: User, *, name: str, asset: str, funds: Decimal, now: datetime
) -> VenueAccount:
    found = VenueAccount.objects.for_user(user).filter(name=name).first()
    if found is not None:
        return found
    account = open_venue_account(user, name=name, settlement_asset=asset, now=now)
    book = manual_book(account)
    deposit(book.pk, asset=asset, amount=funds, ref=f"paper:{account.pk}", now=now)
    return account


def open_venue_account(
    user: User,
    *,
    name: str,
    settlement_asset: str,
    now: datetime,
    maker_rate: Decimal = PAPER_FEE,
    taker_rate: Decimal = PAPER_FEE,
    fee_mode: FeeMode = FeeMode.QUOTE,
) -> VenueAccount:
    """Open a paper account with its fee schedule, its Manual book and its switches."""
    with transaction.atomic():
        account = VenueAccount.objects.create(
            user=user,
            name=name,
            mode=AccountMode.PAPER,
            settlement_asset=settlement_asset,
            fee_mode=fee_mode,
            created_at=now,
        )
        FeeSchedule.objects.create(
            venue_account=account, maker_rate=maker_rate, taker_rate=taker_rate, valid_from=now
        )
        furnish_account(account, now=now)
    return account


def furnish_account(account: VenueAccount, *, now: datetime) -> None:
    """Give a new account its switches and its Manual book."""
    _switch(KillSwitch.Scope.USER, account.user_id)
    _switch(KillSwitch.Scope.VENUE_ACCOUNT, account.pk)
    open_book(account, name="Manual", kind=Book.Kind.MANUAL, now=now)


def open_book(account: VenueAccount, *, name: str, kind: str, now: datetime) -> Book:
    """Open a book of an account, with its switch."""
    with transaction.atomic():
        book = Book.objects.create(
            user_id=account.user_id,
            venue_account=account,
            kind=kind,
            name=name,
            quote_asset=account.settlement_asset,
            created_at=now,
        )
        _switch(KillSwitch.Scope.BOOK, book.pk)
    return book


def manual_book(account: VenueAccount) -> Book:
    """Return the book of an account's manual trading."""
    return Book.objects.get(venue_account=account, kind=Book.Kind.MANUAL)


def _switch(scope: str, key: int) -> None:
    """Make a switch ahead of its use: an absent row cannot be locked."""
    KillSwitch.objects.get_or_create(scope=scope, key=key)
