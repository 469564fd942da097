"""Double entry: what is held for an order, and the entries of a fill. Zero per asset."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from market.domain.enums import Side
from portfolio.domain.fees import ZERO, FillFee, to_ledger
from portfolio.exceptions import LedgerImbalance

# What rounding at the twelfth decimal can make a fill dearer than its hold.
DUST = Decimal("0.000000001")


class AccountKind(StrEnum):
    """Pots of the ledger; the first four belong to a book, the rest to the platform."""

    AVAILABLE = "AVAILABLE"
    HELD = "HELD"
    # Only of an intraday book: cash that secures short sales, and units owed (below 0).
    MARGIN = "MARGIN"
    BORROWED = "BORROWED"
    EXTERNAL = "EXTERNAL"
    CLEARING = "CLEARING"
    FEES = "FEES"
    ROUNDING = "ROUNDING"


class PostingKind(StrEnum):
    """Why money moved."""

    DEPOSIT = "DEPOSIT"
    TRANSFER = "TRANSFER"
    HOLD = "HOLD"
    RELEASE = "RELEASE"
    TRADE = "TRADE"
    BORROW = "BORROW"
    MARGIN = "MARGIN"


@dataclass(frozen=True, slots=True)
class Pot:
    """One ledger account by what it is; `book_id` None is the platform's."""

    book_id: int | None
    kind: AccountKind
    asset: str


Entry = tuple[Pot, Decimal]


@dataclass(frozen=True, slots=True)
class Posting:
    """One balanced set of entries. `ref` is deterministic: posting twice is impossible."""

    ref: str
    kind: PostingKind
    at: datetime
    entries: tuple[Entry, ...]


def check_balanced(posting: Posting) -> None:
    """Raise `LedgerImbalance` unless the entries sum to zero for each asset."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for pot, amount in posting.entries:
        sums[pot.asset] += amount
    wrong = {asset: total for asset, total in sums.items() if total}
    if wrong or not posting.entries:
        raise LedgerImbalance(f"{posting.ref} does not sum to zero: {wrong}")


def entries_of(amounts: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries with equal pots added up and zeros left out."""
    sums: dict[Pot, Decimal] = defaultdict(Decimal)
    for pot, amount in amounts:
        sums[pot] += amount
    return tuple((pot, amount) for pot, amount in sums.items() if amount)


def moved(
    book_id: int, asset: str, amount: Decimal, *, frm: AccountKind, to: AccountKind
) -> tuple[Entry, ...]:
    """Return the entries that move an amount between two pots of a book."""
    return ((Pot(book_id, frm, asset), -amount), (Pot(book_id, to, asset), amount))


def hold_for(
    side: Side, quantity: Decimal, *, worst_price: Decimal | None, fee_rate: Decimal
) -> Decimal:
    """Return what must be held for `quantity` still to trade: money of a buy, units of a sell."""
    if side is Side.SELL or not quantity:
        return quantity
    if worst_price is None:
        raise ValueError("a buy without a worst price has no hold")
    return to_ledger(quantity * worst_price * (1 + fee_rate))


@dataclass(frozen=True, slots=True)
class FillTerms:
    """One fill of one order: who, what, and what is held for the order before and after."""

    book_id: int
    side: Side
    base_asset: str
    quote_asset: str
    quantity: Decimal
    value: Decimal
    fee: FillFee
    held: Decimal
    hold_after: Decimal


@dataclass(frozen=True, slots=True)
class FillPlan:
    """The entries of a fill and what stays held; the fee may be smaller by rounding dust."""

    entries: tuple[Entry, ...]
    hold_after: Decimal
    fee: FillFee


def plan_fill(terms: FillTerms, *, available: Decimal) -> FillPlan:
    """Return how a fill is booked: from the hold first, the rest of it back to available.

    What a fill costs beyond its hold comes out of `available` (a late fill after the hold was
    released). Where only rounding dust is missing, the hold and then the fee give way.
    """
    return _sell_plan(terms) if terms.side is Side.SELL else _buy_plan(terms, available)


def _buy_plan(terms: FillTerms, available: Decimal) -> FillPlan:
    hold_after, fee = terms.hold_after, terms.fee
    missing = terms.value + fee.quote + hold_after - terms.held - available
    if ZERO < missing <= DUST:
        from_hold = min(missing, hold_after)
        hold_after -= from_hold
        fee = FillFee(quote=max(fee.quote - (missing - from_hold), ZERO), base=fee.base)
    spent = terms.value + fee.quote
    released = terms.held - hold_after - spent
    book, quote, base = terms.book_id, terms.quote_asset, terms.base_asset
    entries = entries_of(
        (
            (Pot(book, AccountKind.HELD, quote), hold_after - terms.held),
            (Pot(book, AccountKind.AVAILABLE, quote), released),
            (Pot(None, AccountKind.CLEARING, quote), terms.value),
            (Pot(None, AccountKind.FEES, quote), fee.quote),
            (Pot(None, AccountKind.CLEARING, base), -terms.quantity),
            (Pot(None, AccountKind.FEES, base), fee.base),
            (Pot(book, AccountKind.AVAILABLE, base), terms.quantity - fee.base),
        )
    )
    return FillPlan(entries=entries, hold_after=hold_after, fee=fee)


def _sell_plan(terms: FillTerms) -> FillPlan:
    released = terms.held - terms.hold_after - terms.quantity
    book, quote, base = terms.book_id, terms.quote_asset, terms.base_asset
    entries = entries_of(
        (
            (Pot(book, AccountKind.HELD, base), terms.hold_after - terms.held),
            (Pot(book, AccountKind.AVAILABLE, base), released),
            (Pot(None, AccountKind.CLEARING, base), terms.quantity),
            (Pot(None, AccountKind.CLEARING, quote), -terms.value),
            (Pot(None, AccountKind.FEES, quote), terms.fee.quote),
            (Pot(book, AccountKind.AVAILABLE, quote), terms.value - terms.fee.quote),
        )
    )
    return FillPlan(entries=entries, hold_after=terms.hold_after, fee=terms.fee)
