"""What the risk gate looks at, read under the book's lock; switches are only looked at here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from accounts.models.statements import prepared_cursor
from market.domain.enums import TERMINAL_STATUSES
from market.domain.ticks import Quote
from portfolio.domain.drafts import Draft
from portfolio.domain.fees import ZERO
from portfolio.domain.risk import (
    Denial,
    Limits,
    OwnUnits,
    Surroundings,
    find_change_denial,
    find_denial,
    growth_of,
)
from portfolio.models import Book
from portfolio.services.kill_switches import STOPPED_BY
from portfolio.services.locking import LockedBook, Look

_TERMINAL = sorted(TERMINAL_STATUSES)
_POLICY = f"""
    SELECT ARRAY(SELECT nextval('portfolio_order_id_seq') FROM generate_series(1, %(count)s)),
           (SELECT coalesce(nullif(k.reason, ''), lower(k.scope)) FROM portfolio_killswitch k
             WHERE {STOPPED_BY.format(x="b", book="b.id")} LIMIT 1),
           EXISTS (SELECT 1 FROM portfolio_risklimit l WHERE l.user_id = b.user_id
                      AND (l.venue_account_id IS NULL OR l.venue_account_id = b.venue_account_id)
                      AND (l.book_id IS NULL OR l.book_id = b.id))
      FROM portfolio_book b WHERE b.id = %(book)s
"""  # noqa: S608 - own names
# Locked, because orders of the user's other books count too and do not wait for this book.
_LIMITS = """
    SELECT id, venue_account_id, book_id, max_order_value, max_open_value, max_position_value,
           max_price_deviation
      FROM portfolio_risklimit
     WHERE user_id = %(user)s
       AND (venue_account_id IS NULL OR venue_account_id = %(account)s)
       AND (book_id IS NULL OR book_id = %(book)s)
     ORDER BY id FOR UPDATE
"""
# While a change is asked for, either version may trade.
_UNITS = """
    SELECT o.book_id, o.instrument_id, 0 AS held, NULL::timestamptz AS opened_at,
           CASE o.side WHEN 'BUY' THEN units ELSE 0 END AS buys,
           CASE o.side WHEN 'SELL' THEN units ELSE 0 END AS sells,
           units * greatest(coalesce(o.price, o.protection_price, 0),
                            (o.pending_change->>'price')::numeric) AS value
      FROM portfolio_order o
     CROSS JOIN LATERAL (
           SELECT greatest(o.quantity, (o.pending_change->>'quantity')::numeric)
                  - o.filled_quantity AS units) may_trade
     WHERE o.user_id = %(user)s AND o.status <> ALL(%(terminal)s) AND o.id <> %(without)s
       AND (%(account)s::bigint IS NULL OR o.venue_account_id = %(account)s)
       AND (%(book)s::bigint IS NULL OR o.book_id = %(book)s)
     UNION ALL
    SELECT p.book_id, p.instrument_id, p.quantity, p.opened_at, 0, 0, 0
      FROM portfolio_position p JOIN portfolio_book b ON b.id = p.book_id
     WHERE p.user_id = %(user)s AND p.quantity <> 0
       AND (%(account)s::bigint IS NULL OR b.venue_account_id = %(account)s)
       AND (%(book)s::bigint IS NULL OR p.book_id = %(book)s)
"""
# Book by book: what one is long does not make up for what another is short.
_REACH = f"""
    SELECT instrument_id, sum(value),
           sum(greatest(abs(held), held + buys, sells - held))
      FROM (SELECT book_id, instrument_id, sum(held) AS held, sum(buys) AS buys,
                   sum(sells) AS sells, sum(value) AS value
              FROM ({_UNITS}) parts GROUP BY 1, 2) units
     GROUP BY 1
"""  # noqa: S608 - own text
_OWN = f"""
    SELECT instrument_id, sum(held), sum(buys), sum(sells), min(opened_at)
      FROM ({_UNITS}) parts GROUP BY 1
"""  # noqa: S608 - own text


@dataclass(slots=True)
class _Scope:
    """One row of limits and what counts against it, orders of this transaction included."""

    max_order_value: Decimal | None
    max_open_value: Decimal | None
    max_position_value: Decimal | None
    max_price_deviation: Decimal | None
    open_value: Decimal = ZERO
    units: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def limits_for(self, instrument_token: int) -> Limits:
        """Return the limits as they stand for an order of the instrument."""
        return Limits(
            max_order_value=self.max_order_value,
            max_open_value=self.max_open_value,
            max_position_value=self.max_position_value,
            max_price_deviation=self.max_price_deviation,
            open_value=self.open_value,
            units=self.units[instrument_token],
        )


def policy_of(book_id: int, *, orders: int = 0) -> Look:
    """Return the look at a book's switches and limits; it also draws the ids of new orders."""
    return Look(_POLICY, {"book": book_id, "count": orders})


class RiskGate:
    """The gate of one transaction: asks policy about each order, counting those let through."""

    def __init__(
        self, book: LockedBook, *, now: datetime, policy: Look | None = None, without: int = 0
    ) -> None:
        """Look at switches and limits; `policy` is the look that went along with the lock.

        The order `without` is to be changed: as it stands it counts against nothing.
        """
        self.book, self._now = book, now
        scope = {
            "user": book.user_id,
            "account": book.venue_account_id,
            "book": book.id,
            "without": without,
        }
        found = _looked(policy_of(book.id)) if policy is None else policy.rows[0]
        self.order_ids, self._kill_reason, has_limits = found
        self._scopes = _read_scopes(scope) if has_limits else []
        is_short_able = book.kind == Book.Kind.INTRADAY
        self._own = _read_own(scope) if is_short_able else None

    def verdict(self, draft: Draft, quote: Quote | None) -> Denial | None:
        """Return why policy denies the order, or None and count it as open."""
        own = self._own_of(draft)
        denial = find_denial(draft, self._around(draft, quote, own))
        if denial is None:
            self._count(draft, own)
        return denial

    def change_denial(self, draft: Draft, quote: Quote | None) -> Denial | None:
        """Return why policy denies that the order left out becomes this one, or None."""
        return find_change_denial(draft, self._around(draft, quote, self._own_of(draft)))

    def _own_of(self, draft: Draft) -> OwnUnits | None:
        if self._own is None:
            return None
        return self._own.get(draft.instrument.instrument_token, OwnUnits())

    def _around(self, draft: Draft, quote: Quote | None, own: OwnUnits | None) -> Surroundings:
        token = draft.instrument.instrument_token
        return Surroundings(
            quote=quote,
            now=self._now,
            trading_state=self.book.trading_state,
            kill_reason=self._kill_reason,
            limits=[scope.limits_for(token) for scope in self._scopes],
            own=own,
        )

    def _count(self, draft: Draft, own: OwnUnits | None) -> None:
        token = draft.instrument.instrument_token
        for scope in self._scopes:
            scope.open_value += draft.quantity * (draft.worst_price or ZERO)
            scope.units[token] += growth_of(draft, own)
        if self._own is not None and own is not None:
            self._own[token] = own.with_order(draft.side, draft.quantity)


def _looked(look: Look) -> Sequence[Any]:
    with prepared_cursor() as cursor:
        cursor.execute(look.query, look.values)
        found: Sequence[Any] = cursor.fetchone()
        return found


def _read_scopes(scope: Mapping[str, int]) -> list[_Scope]:
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS, scope)
        rows = cursor.fetchall()
        return [_read_scope(cursor, scope, row) for row in rows]


def _read_scope(cursor: Any, scope: Mapping[str, int], row: Sequence[Any]) -> _Scope:
    _, account_id, book_id, *limits = row
    found = _Scope(*limits)
    values = {**scope, "account": account_id, "book": book_id, "terminal": _TERMINAL}
    cursor.execute(_REACH, values)
    for token, value, units in cursor.fetchall():
        found.open_value += value
        found.units[token] += units
    return found


def _read_own(scope: Mapping[str, int]) -> dict[int, OwnUnits]:
    """Return what a book has and has on order, by instrument."""
    with connection.cursor() as cursor:
        cursor.execute(_OWN, {**scope, "terminal": _TERMINAL})
        return {token: OwnUnits(*units) for token, *units in cursor.fetchall()}
