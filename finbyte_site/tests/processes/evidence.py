"""An independent look at what a run left in the database: plain SQL, none of the code under test."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg

Rows = list[tuple[Any, ...]]
Connection = psycopg.Connection[tuple[Any, ...]]

# Every trade that a venue reported, however often it said so, is exactly one trade of ours, and
# every trade of ours was reported.
_REPORTS_AND_TRADES = """
WITH reports AS (
  SELECT DISTINCT venue_account_id, payload->>'venue_trade_id' AS trade
    FROM portfolio_venueevent
   WHERE payload->>'kind' = 'TRADE' AND applied_at IS NOT NULL AND error = ''),
trades AS (
  SELECT venue_account_id, venue_trade_id AS trade, count(*) AS n
    FROM portfolio_trade GROUP BY 1, 2)
SELECT coalesce(r.venue_account_id, t.venue_account_id), coalesce(r.trade, t.trade),
       r.trade IS NOT NULL, coalesce(t.n, 0)
  FROM reports r FULL JOIN trades t USING (venue_account_id, trade)
 WHERE r.trade IS NULL OR t.n IS DISTINCT FROM 1
"""

# Units by the ledger are units by the trades, less what was paid as a fee.
_UNITS = """
WITH held AS (
  SELECT a.book_id, a.asset, sum(a.balance) AS units
    FROM portfolio_ledgeraccount a WHERE a.book_id IS NOT NULL GROUP BY 1, 2),
traded AS (
  SELECT t.book_id, i.base_asset AS asset,
         sum(CASE t.side WHEN 'BUY' THEN t.quantity ELSE -t.quantity END
             - CASE WHEN t.fee_asset = i.base_asset THEN t.fee ELSE 0 END) AS units
    FROM portfolio_trade t JOIN market_instrument i ON i.instrument_token = t.instrument_id
   GROUP BY 1, 2),
moved AS (
  SELECT a.book_id, a.asset, sum(e.amount) AS units
    FROM portfolio_ledgerentry e JOIN portfolio_ledgeraccount a ON a.id = e.account_id
    JOIN portfolio_ledgertransaction x ON x.id = e.transaction_id
   WHERE a.book_id IS NOT NULL AND x.kind NOT IN ('TRADE', 'HOLD', 'RELEASE')
   GROUP BY 1, 2)
SELECT t.book_id, t.asset, coalesce(h.units, 0), t.units + coalesce(m.units, 0)
  FROM traded t LEFT JOIN held h USING (book_id, asset) LEFT JOIN moved m USING (book_id, asset)
 WHERE coalesce(h.units, 0) <> t.units + coalesce(m.units, 0)
"""

# Cash by the ledger is what was moved in, plus sales, less purchases, less fees in cash: the
# profit by trades at any price equals the change of equity at that price.
_CASH = """
WITH held AS (
  SELECT b.id AS book_id, b.quote_asset AS asset, coalesce(sum(a.balance), 0) AS cash
    FROM portfolio_book b
    LEFT JOIN portfolio_ledgeraccount a ON a.book_id = b.id AND a.asset = b.quote_asset
   GROUP BY 1, 2),
traded AS (
  SELECT t.book_id,
         sum(CASE t.side WHEN 'SELL' THEN t.quantity * t.price ELSE -t.quantity * t.price END
             - CASE WHEN t.fee_asset = b.quote_asset THEN t.fee ELSE 0 END) AS cash
    FROM portfolio_trade t JOIN portfolio_book b ON b.id = t.book_id GROUP BY 1),
moved AS (
  SELECT a.book_id, a.asset, sum(e.amount) AS cash
    FROM portfolio_ledgerentry e JOIN portfolio_ledgeraccount a ON a.id = e.account_id
    JOIN portfolio_ledgertransaction x ON x.id = e.transaction_id
   WHERE a.book_id IS NOT NULL AND x.kind NOT IN ('TRADE', 'HOLD', 'RELEASE')
   GROUP BY 1, 2)
SELECT h.book_id, h.asset, h.cash, coalesce(t.cash, 0) + coalesce(m.cash, 0)
  FROM held h LEFT JOIN traded t USING (book_id) LEFT JOIN moved m USING (book_id, asset)
 WHERE abs(h.cash - coalesce(t.cash, 0) - coalesce(m.cash, 0)) > %(allowed)s
"""

_UNBALANCED = """
SELECT e.transaction_id, a.asset, sum(e.amount)
  FROM portfolio_ledgerentry e JOIN portfolio_ledgeraccount a ON a.id = e.account_id
 GROUP BY 1, 2 HAVING sum(e.amount) <> 0
"""

_DUPLICATE_LIVE = """
SELECT book_id, split_part(slot_ref, '-', 2), count(*) FROM portfolio_order
 WHERE slot_ref IS NOT NULL AND status NOT IN
       ('DENIED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED', 'NOT_AT_VENUE')
 GROUP BY 1, 2 HAVING count(*) > 1
"""

# What a venue said and we could not make sense of: an overfill, a trade of an ended order.
_DEAD_LETTERS = """
SELECT venue_account_id, dedupe_key, error FROM portfolio_venueevent WHERE error <> ''
"""

# Half a unit in the twelfth decimal per trade: the one place where a fee is rounded.
ALLOWED = Decimal("1e-9")


def findings(connection: Connection) -> dict[str, Rows]:
    """Return every contradiction by name; all lists empty when the run is clean."""
    questions: dict[str, Callable[[], Rows]] = {
        "report without exactly one trade, or trade without exactly one report": lambda: (
            connection.execute(_REPORTS_AND_TRADES).fetchall()
        ),
        "units differ from trades": lambda: connection.execute(_UNITS).fetchall(),
        "cash differs from trades": lambda: connection.execute(
            _CASH, {"allowed": ALLOWED}
        ).fetchall(),
        "ledger transaction not zero": lambda: connection.execute(_UNBALANCED).fetchall(),
        "dead letter in the inbox": lambda: connection.execute(_DEAD_LETTERS).fetchall(),
        "two live orders in one slot": lambda: connection.execute(_DUPLICATE_LIVE).fetchall(),
    }
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return {name: rows for name, ask in questions.items() if (rows := ask())}


def count(connection: Connection, question: str, *values: object) -> int:
    """Return one number."""
    row = connection.execute(question, values).fetchone()
    assert row is not None
    return int(row[0])


def trades(connection: Connection) -> int:
    """Return how many trades there are."""
    return count(connection, "SELECT count(*) FROM portfolio_trade")
