"""What programs read of positions, holdings and money: per venue account, net over its books."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Q, Sum

from accounts.models import User
from market.domain.enums import Product, Side
from market.models import Instrument
from portfolio.domain.day_positions import DayChanges, DayPosition, Flow, Moved, day_position
from portfolio.models import (
    Book,
    LedgerAccount,
    Position,
    PositionConversion,
    Trade,
)

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ProductPosition:
    """One product of one instrument today."""

    instrument: Instrument
    product: Product
    position: DayPosition


def day_positions(user: User, *, since: datetime) -> list[ProductPosition]:
    """Return what the user holds or has traded since the day began, by symbol then product.

    Four queries, however much there is.
    """
    changes = _changes_of_day(user, since=since)
    held = _held(user)
    keys = {key for key, (quantity, _) in held.items() if quantity} | changes.keys()
    instruments = Instrument.objects.in_bulk({token for token, _ in keys})
    rows = [
        ProductPosition(
            instruments[token],
            product,
            day_position(
                *held.get((token, product), (ZERO, ZERO)),
                changes.get((token, product), DayChanges()),
            ),
        )
        for token, product in keys
    ]
    return sorted(rows, key=lambda row: (row.instrument.symbol, row.product))


_Key = tuple[int, Product]


def _changes_of_day(user: User, *, since: datetime) -> dict[_Key, DayChanges]:
    """Sum the day; by the wall clock, so that a replayed past counts as today too."""
    changes = defaultdict(DayChanges, _traded(user, since=since))
    for token, old, new, *moved in (
        PositionConversion.objects.for_user(user)
        .filter(at__gte=since)
        .values_list("instrument_id", "old_book__kind", "new_book__kind", "quantity", "cost")
    ):
        gone, come = (token, product_of(old)), (token, product_of(new))
        changes[gone] = replace(changes[gone], went=changes[gone].went + Moved(*moved))
        changes[come] = replace(changes[come], came=changes[come].came + Moved(*moved))
    return changes


def _traded(user: User, *, since: datetime) -> dict[_Key, DayChanges]:
    is_buy, in_base = Q(side=Side.BUY), Q(fee_asset=F("instrument__base_asset"))
    value = F("quantity") * F("price")
    sums = (
        Trade.objects.for_user(user)
        .filter(recorded_at__gte=since)
        .values("instrument_id", "order__product")
        .annotate(
            bought=Sum("quantity", filter=is_buy, default=ZERO),
            sold=Sum("quantity", filter=~is_buy, default=ZERO),
            paid=Sum(value, filter=is_buy, default=ZERO),
            received=Sum(value, filter=~is_buy, default=ZERO),
            earned=Sum("realised", default=ZERO),
            fees_base=Sum("fee", filter=in_base, default=ZERO),
        )
    )
    return {
        (row["instrument_id"], Product(row["order__product"])): DayChanges(
            Flow(row["bought"], row["paid"], row["sold"], row["received"]),
            row["earned"],
            row["fees_base"],
        )
        for row in sums
    }


def _held(user: User) -> dict[_Key, tuple[Decimal, Decimal]]:
    sums = (
        Position.objects.for_user(user)
        .values("instrument_id", "book__kind")
        .annotate(units=Sum("quantity"), paid=Sum("cost"))
    )
    held: dict[_Key, tuple[Decimal, Decimal]] = {}
    for row in sums:
        key = row["instrument_id"], product_of(row["book__kind"])
        quantity, cost = held.get(key, (ZERO, ZERO))
        held[key] = quantity + row["units"], cost + row["paid"]
    return held


def product_of(book_kind: str) -> Product:
    """Return the product that a kind of book holds."""
    return Product.MIS if book_kind == "INTRADAY" else Product.CNC


@dataclass(slots=True)
class Purse:
    """The money of a settlement asset in all books of an account."""

    # What an order of the user's own can spend.
    free: Decimal = ZERO
    # Held for his open orders.
    held: Decimal = ZERO
    # Kept against shorts.
    collateral: Decimal = ZERO
    # In books of bots, spent or not.
    with_bots: Decimal = ZERO
    # What today's trades have brought, less what they have cost.
    change: Decimal = ZERO

    @property
    def cash(self) -> Decimal:
        """Return all money of the asset."""
        return self.free + self.held + self.collateral + self.with_bots


def purses(user: User, *, since: datetime) -> dict[str, Purse]:
    """Return the user's money by settlement asset, with how it changed since the day began."""
    pots = LedgerAccount.objects.for_user(user).filter(
        asset=F("book__venue_account__settlement_asset")
    )
    found: dict[str, Purse] = defaultdict(Purse)
    for row in pots.values("asset", "kind", "book__kind").annotate(total=Sum("balance")):
        _put(found[row["asset"]], row["total"], kind=row["kind"], book_kind=row["book__kind"])
    for asset, change in _changes(user, since=since):
        found[asset].change = change
    return found


def _put(purse: Purse, amount: Decimal, *, kind: str, book_kind: str) -> None:
    if book_kind == Book.Kind.BOT:
        purse.with_bots += amount
    elif kind == LedgerAccount.Kind.AVAILABLE:
        purse.free += amount
    elif kind == LedgerAccount.Kind.HELD:
        purse.held += amount
    else:
        purse.collateral += amount


def _changes(user: User, *, since: datetime) -> Iterable[tuple[str, Decimal]]:
    """Return what the day's trades have brought and cost, fees included, by settlement asset.

    Deposits are few and count as there from the start: reading them would mean reading the whole
    ledger of an account.
    """
    value, is_buy = F("quantity") * F("price"), Q(side=Side.BUY)
    rows = Trade.objects.for_user(user).filter(recorded_at__gte=since)
    return rows.values_list("venue_account__settlement_asset").annotate(
        total=Sum(value, filter=~is_buy, default=ZERO)
        - Sum(value, filter=is_buy, default=ZERO)
        - Sum("fee", filter=Q(fee_asset=F("instrument__quote_asset")), default=ZERO)
    )
