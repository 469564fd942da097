"""The one lock order (decisions 4): Bot -> Book -> Order by id -> Position by id -> account by id.

Every write of orders, positions and money in a book happens under that book's row lock, so what
belongs to a book never has to wait below it. Two books are locked in one call, ascending.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from json import loads
from typing import Any, Self

from django.db import connection
from django.db.transaction import TransactionManagementError

from accounts.models.statements import prepared_cursor, run_together
from market.domain.enums import FeeMode, OrderStatus, OrderType, Product, Side, TimeInForce, Variety
from market.domain.messages import OrderTerms
from portfolio.domain.account_fees import AccountFees, FeeKind
from portfolio.domain.changed_terms import terms_after
from portfolio.domain.charges import ChargeTable
from portfolio.domain.fees import ZERO, FeeRates
from portfolio.domain.ledger import hold_for
from portfolio.domain.order_state import resting_status
from portfolio.exceptions import StaleFence
from portfolio.selectors.charges import charge_table


@dataclass(slots=True)
class LockedBook:
    """A book under lock, with what its venue account says of fees."""

    id: int
    user_id: int
    venue_account_id: int
    kind: str
    trading_state: str
    quote_asset: str
    event_seq: int
    closed_at: datetime | None
    fill_model: str | None
    mode: str
    status: str
    status_reason: str
    compliance_profile: str
    fees: AccountFees

    @classmethod
    def of(cls, row: Sequence[Any], *, table: ChargeTable | None) -> Self:
        """Read a row of `_BOOKS`; `table` has the charge rates where a row needs them."""
        *columns, maker, taker, fee_mode, fee_kind = row
        rates = FeeRates(maker=maker, taker=taker, mode=FeeMode(fee_mode))
        fees = AccountFees(rates, table if fee_kind == FeeKind.INDIAN_EQUITY else None)
        values = dict(zip(_BOOK_COLUMNS, columns, strict=True))
        return cls(fees=fees, **values)


_BOOK_COLUMNS = [each.name for each in fields(LockedBook) if each.name != "fees"]
# NO KEY: whoever writes a row about a book or an order (the gateway's claim, which holds orders and
# no book) has its foreign key checked at commit, and would wait here for us while we wait for it.
# A schedule counts by the wall clock; an account younger than its first schedule has that one.
_BOOKS = """
    SELECT b.id, b.user_id, b.venue_account_id, b.kind, b.trading_state, b.quote_asset,
           b.event_seq, b.closed_at, v.fill_model, v.mode, v.status, v.status_reason,
           v.compliance_profile, coalesce(f.maker_rate, 0), coalesce(f.taker_rate, 0), v.fee_mode,
           f.kind
      FROM portfolio_book b
      JOIN portfolio_venueaccount v ON v.id = b.venue_account_id
      LEFT JOIN LATERAL (
           SELECT maker_rate, taker_rate, kind FROM portfolio_feeschedule s
            WHERE s.venue_account_id = v.id
            ORDER BY s.valid_from <= %(now)s DESC,
                     CASE WHEN s.valid_from <= %(now)s THEN s.valid_from END DESC NULLS LAST,
                     s.valid_from
            LIMIT 1) f ON true
     WHERE b.id = ANY(%(books)s) ORDER BY b.id FOR NO KEY UPDATE OF b
"""
# Both books of the purse that a book belongs to.
_PURSE = """
    SELECT other.id FROM portfolio_book b
      JOIN portfolio_book other ON other.venue_account_id = b.venue_account_id
     WHERE b.id = %s AND (other.id = b.id OR (b.kind IN ('MANUAL', 'INTRADAY')
                                              AND other.kind IN ('MANUAL', 'INTRADAY')))
"""


def require_transaction() -> None:
    """Raise unless a transaction is open: the doors open it, services must not (decisions 5)."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("orders are placed inside the caller's transaction")


@dataclass(slots=True)
class Look:
    """What is read in the round trip that locks books, by a statement of its own after the lock.

    Such a statement sees all that was committed before the lock was had; one with the lock in it
    would not. `values` are its parameters by name, and `%(books)s` are the ids of the books.
    """

    query: str
    values: Mapping[str, Any]
    rows: list[Any] = field(default_factory=list)


def lock_books(
    book_ids: Iterable[int], *, now: datetime, skip_locked: bool = False, looks: Sequence[Look] = ()
) -> dict[int, LockedBook]:
    """Lock books in ascending id; with `skip_locked` leave out those somebody else holds."""
    lock = _BOOKS + (" SKIP LOCKED" if skip_locked else "")
    values: dict[str, Any] = {"now": now, "books": sorted(set(book_ids))}
    for look in looks:
        values |= look.values
    rows, *looked = run_together([(each, values) for each in (lock, *(x.query for x in looks))])
    for look, found in zip(looks, looked, strict=True):
        look.rows = found
    is_itemised = any(row[-1] == FeeKind.INDIAN_EQUITY for row in rows)
    table = charge_table() if is_itemised else None
    return {row[0]: LockedBook.of(row, table=table) for row in rows}


def lock_for(
    book_id: int, products: Iterable[str], *, now: datetime, looks: Sequence[Look] = ()
) -> dict[int, LockedBook]:
    """Lock the book that orders are asked of; for intraday ones its purse, which pays as well."""
    if any(product == Product.MIS for product in products):
        return lock_purse(book_id, now=now, looks=looks)
    return lock_books([book_id], now=now, looks=looks)


def lock_purse(book_id: int, *, now: datetime, looks: Sequence[Look] = ()) -> dict[int, LockedBook]:
    """Lock a book together with the other one of its purse (Manual and Intraday)."""
    with prepared_cursor() as cursor:
        cursor.execute(_PURSE, [book_id])
        return lock_books([row[0] for row in cursor.fetchall()], now=now, looks=looks)


def share_fence(shard: int, fence: int) -> None:
    """Hold the shard's ownership until commit; raise `StaleFence` when it is no longer ours."""
    with prepared_cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM portfolio_gatewayshard WHERE number = %s AND fence = %s FOR SHARE",
            [shard, fence],
        )
        if cursor.fetchone() is None:
            raise StaleFence(f"shard {shard} is no longer owned with fence {fence}")


@dataclass(slots=True)
class LockedOrder:
    """An order under lock, as plain values; `Changes` writes it back."""

    id: int
    user_id: int
    venue_account_id: int
    book_id: int
    instrument_id: int
    client_order_id: str
    venue_order_id: str
    slot_ref: str | None
    api_app_id: int | None
    side: Side
    order_type: OrderType
    product: Product
    variety: Variety
    parent_id: int | None
    time_in_force: TimeInForce
    validity_ttl: int
    quantity: Decimal
    disclosed_quantity: Decimal
    market_protection: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    protection_price: Decimal | None
    margin_price: Decimal | None
    pending_change: dict[str, str | None] | None
    revision: int
    status: OrderStatus
    status_code: str
    status_message: str
    cancel_requested_at: datetime | None
    filled_quantity: Decimal
    filled_value: Decimal
    hold_asset: str
    hold_remaining: Decimal
    hold_fee_rate: Decimal
    send_attempts: int
    send_after: datetime | None
    sent_at: datetime | None
    send_deadline: datetime | None
    sent_fence: int | None
    unknown_since: datetime | None
    triggered_at: datetime | None
    expires_at: datetime | None
    updated_at: datetime
    last_event_hash: str
    event_count: int
    exchange: str
    base_asset: str
    quote_asset: str

    def __post_init__(self) -> None:
        self.side = Side(self.side)
        self.order_type = OrderType(self.order_type)
        self.product = Product(self.product)
        self.variety = Variety(self.variety)
        self.time_in_force = TimeInForce(self.time_in_force)
        self.status = OrderStatus(self.status)

    @property
    def remaining(self) -> Decimal:
        """Return the units that can still trade."""
        return self.quantity - self.filled_quantity

    @property
    def full_hold(self) -> Decimal:
        """Return what must be held for the units that can still trade.

        While a change is asked for either version may trade: the dearer one counts.
        """
        if self.status.is_terminal:
            return ZERO
        now = self.hold_of(self.terms)
        if self.pending_change is None:
            return now
        return max(now, self.hold_of(self.asked_terms))

    def hold_of(self, terms: OrderTerms) -> Decimal:
        """Return the hold if the order were for these terms."""
        worst = terms.protection_price if terms.price is None else terms.price
        open_quantity = max(terms.quantity - self.filled_quantity, ZERO)
        return hold_for(self.side, open_quantity, worst_price=worst, fee_rate=self.hold_fee_rate)

    @property
    def terms(self) -> OrderTerms:
        """Return what of it a change can change."""
        return OrderTerms(
            quantity=self.quantity,
            price=self.price,
            trigger_price=self.trigger_price,
            order_type=self.order_type,
            time_in_force=self.time_in_force,
            protection_price=self.protection_price,
            expires_at=self.expires_at,
            disclosed_quantity=self.disclosed_quantity,
            market_protection=self.market_protection,
            margin_price=self.margin_price,
        )

    @property
    def asked_terms(self) -> OrderTerms:
        """Return the terms that were asked for last: its own where no change is pending."""
        return terms_after(self.terms, self.pending_change or {})

    def take_terms(self, terms: OrderTerms) -> None:
        """Have these terms from now on."""
        if terms.order_type.is_stop and not self.order_type.is_stop:
            # It waits for a trigger anew, whatever trigger it once met.
            self.triggered_at = None
        self.quantity, self.price = terms.quantity, terms.price
        self.trigger_price = terms.trigger_price
        self.protection_price = terms.protection_price
        self.order_type, self.time_in_force = terms.order_type, terms.time_in_force
        self.expires_at = terms.expires_at
        if self.time_in_force is not TimeInForce.TTL:
            self.validity_ttl = 0
        self.disclosed_quantity = terms.disclosed_quantity
        self.market_protection = terms.market_protection
        self.margin_price = terms.margin_price

    @property
    def worst_margin_price(self) -> Decimal:
        """Return the price that a short sale's collateral is for; of a change, the dearer one."""
        asked = None if self.pending_change is None else self.pending_change.get("margin_price")
        return max(self.margin_price or ZERO, Decimal(asked or 0))

    @property
    def rests_as(self) -> OrderStatus:
        """Return its state when the venue has it and nothing is asked of it."""
        return resting_status(self.order_type, is_triggered=self.triggered_at is not None)


_OF_INSTRUMENT = ("exchange", "base_asset", "quote_asset")
ORDER_COLUMNS = tuple(each.name for each in fields(LockedOrder) if each.name not in _OF_INSTRUMENT)
_ORDERS = (
    "SELECT "  # noqa: S608 - column names of a dataclass
    + ", ".join(f"o.{name}" for name in ORDER_COLUMNS)
    + ", i.exchange, i.base_asset, i.quote_asset FROM portfolio_order o"
    " JOIN market_instrument i ON i.instrument_token = o.instrument_id"
    " WHERE {where} ORDER BY o.id FOR NO KEY UPDATE OF o"
)
_BY_ID = _ORDERS.format(where="o.id = ANY(%s)")
_BY_CLIENT_ID = _ORDERS.format(
    where="(o.venue_account_id, o.client_order_id) IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))"
)


def lock_orders(order_ids: Iterable[int]) -> list[LockedOrder]:
    """Lock orders in ascending id. Their books must be locked already."""
    return _locked(_BY_ID, [sorted(set(order_ids))])


def lock_orders_by_client_id(keys: Iterable[tuple[int, str]]) -> list[LockedOrder]:
    """Lock orders by (venue account, client order id), ascending by id."""
    wanted = sorted(set(keys))
    return _locked(_BY_CLIENT_ID, [[key[0] for key in wanted], [key[1] for key in wanted]])


def _locked(query: str, values: list[Any]) -> list[LockedOrder]:
    with prepared_cursor() as cursor:
        cursor.execute(query, values)
        return [LockedOrder(*_parsed(row)) for row in cursor.fetchall()]


_CHANGE_COLUMN = ORDER_COLUMNS.index("pending_change")


def _parsed(row: Sequence[Any]) -> list[Any]:
    """Decode the one JSON column: Django's connection hands JSON over as text."""
    values = list(row)
    text = values[_CHANGE_COLUMN]
    values[_CHANGE_COLUMN] = None if text is None else loads(text)
    return values
