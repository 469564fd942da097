"""Reads of money and units: what a book can spend, and what a venue account holds in all."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import User
from portfolio.models import LedgerAccount

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Funds:
    """What there is of one asset: free to use, and held for open orders and short sales.

    Units that are borrowed count against those held: both together are the position.
    """

    available: Decimal = _ZERO
    held: Decimal = _ZERO

    @property
    def total(self) -> Decimal:
        """Return free and held together."""
        return self.available + self.held


def book_funds(book_id: int) -> dict[str, Funds]:
    """Return what a book has, by asset; empty pots are left out."""
    return _by_asset(LedgerAccount.objects.filter(book=book_id).exclude(balance=0))


def account_funds(user: User, venue_account_id: int) -> dict[str, Funds]:
    """Return what all books of a user's venue account have, by asset."""
    rows = LedgerAccount.objects.for_user(user).filter(book__venue_account=venue_account_id)
    return _by_asset(rows.exclude(balance=0))


def _by_asset(rows: Iterable[LedgerAccount]) -> dict[str, Funds]:
    sums: dict[str, list[Decimal]] = {}
    for row in rows:
        pair = sums.setdefault(row.asset, [_ZERO, _ZERO])
        pair[row.kind != LedgerAccount.Kind.AVAILABLE] += row.balance or _ZERO
    return {asset: Funds(*pair) for asset, pair in sums.items()}
