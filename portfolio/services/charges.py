"""How a venue account is charged from now on."""

from datetime import datetime

from django.db import transaction

from market.domain.enums import TERMINAL_STATUSES, AccountMode, FeeMode
from portfolio.domain.account_fees import FeeKind
from portfolio.exceptions import AccountRefused
from portfolio.models import Book, FeeSchedule, Order, VenueAccount
from portfolio.selectors.charges import newest_schedule
from portfolio.services.accounts import PAPER_FEE
from portfolio.services.locking import lock_books


def set_fee_kind(account: VenueAccount, kind: FeeKind, *, now: datetime) -> bool:
    """Charge a paper account by another kind from now on; say whether that changed anything.

    Its open orders hold money by the old schedule and its bots count with a flat rate, so there
    must be none of them. Raises `AccountRefused` with the reason and changes nothing then.
    """
    with transaction.atomic():
        lock_books(Book.objects.filter(venue_account=account).values_list("pk", flat=True), now=now)
        newest = newest_schedule(account.fee_schedules.all(), at=now)
        if newest is not None and newest.kind == kind:
            return False
        refusal = _kind_refusal(account, kind) or _use_refusal(account, kind)
        if refusal is not None:
            raise AccountRefused(refusal, field="kind")
        rate = PAPER_FEE if kind is FeeKind.FLAT else 0
        FeeSchedule.objects.create(
            venue_account=account, kind=kind, maker_rate=rate, taker_rate=rate, valid_from=now
        )
    return True


def _kind_refusal(account: VenueAccount, kind: FeeKind) -> str | None:
    if account.mode != AccountMode.PAPER:
        return f"{account.name} is charged by its venue"
    if kind is FeeKind.FLAT:
        return None
    if account.settlement_asset != "INR":
        return f"{account.name} settles in {account.settlement_asset}; Indian charges are in INR"
    if account.fee_mode != FeeMode.QUOTE:
        return f"{account.name} pays its fees in units; Indian charges are in INR"
    return None


def _use_refusal(account: VenueAccount, kind: FeeKind) -> str | None:
    orders = Order.objects.filter(venue_account=account).exclude(status__in=TERMINAL_STATUSES)
    if orders.exists():
        return f"{account.name} has open orders: cancel them first"
    books = Book.objects.filter(venue_account=account, kind=Book.Kind.BOT, closed_at=None)
    if kind is not FeeKind.FLAT and books.exists():
        return f"Bots run on {account.name}, and they count with a flat fee: stop them first"
    return None
