"""The questions of `invariants`: each returns (row, what is wrong) and ought to return nothing."""

SUMS = """
    SELECT 'ledger_transaction ' || t.id || ' (' || t.ref || ')',
           'sums to ' || sum(e.amount) || ' ' || a.asset
      FROM portfolio_ledgertransaction t
      JOIN portfolio_ledgerentry e ON e.transaction_id = t.id
      JOIN portfolio_ledgeraccount a ON a.id = e.account_id
     GROUP BY t.id, t.ref, a.asset HAVING sum(e.amount) <> 0 ORDER BY t.id
"""
EMPTY_TRANSACTIONS = """
    SELECT 'ledger_transaction ' || t.id || ' (' || t.ref || ')', 'has no entries'
      FROM portfolio_ledgertransaction t
     WHERE NOT EXISTS (SELECT 1 FROM portfolio_ledgerentry e WHERE e.transaction_id = t.id)
"""
BALANCES = """
    SELECT 'ledger_account ' || a.id,
           a.kind || ' ' || a.asset || ' of book ' || a.book_id || ' stores ' || a.balance
           || ', its entries sum to ' || coalesce(sum(e.amount), 0)
      FROM portfolio_ledgeraccount a
      LEFT JOIN portfolio_ledgerentry e ON e.account_id = a.id
     WHERE a.book_id IS NOT NULL
     GROUP BY a.id HAVING a.balance <> coalesce(sum(e.amount), 0) ORDER BY a.id
"""

# The slack is what rounding at the twelfth decimal can add up to.
HOLDS = """
    WITH needed AS (
        SELECT id, hold_remaining, pending_change,
               CASE WHEN status = ANY(%(terminal)s) THEN 0
                    WHEN side = 'SELL' THEN quantity - filled_quantity
                    ELSE round((quantity - filled_quantity) * coalesce(price, protection_price)
                               * (1 + hold_fee_rate), 12) END AS amount
          FROM portfolio_order)
    SELECT 'order ' || id, 'holds ' || hold_remaining || ', needs ' || amount
      FROM needed
     WHERE hold_remaining < amount - 0.000000001
        OR (pending_change IS NULL AND hold_remaining > amount + 0.000000001)
     ORDER BY id
"""
HELD_POTS = """
    WITH held AS (
        SELECT book_id, hold_asset AS asset, sum(hold_remaining) AS amount
          FROM portfolio_order GROUP BY 1, 2),
    pots AS (
        SELECT id, book_id, asset, balance FROM portfolio_ledgeraccount WHERE kind = 'HELD')
    SELECT coalesce('ledger_account ' || pots.id, 'book ' || held.book_id),
           'HELD ' || coalesce(pots.asset, held.asset) || ' is ' || coalesce(pots.balance, 0)
           || ', the open orders hold ' || coalesce(held.amount, 0)
      FROM pots FULL JOIN held USING (book_id, asset)
     WHERE coalesce(pots.balance, 0) <> coalesce(held.amount, 0)
"""
# What an intraday book owes is what its open sales are for beyond its position.
BORROWED_POTS = """
    WITH sales AS (
        SELECT book_id, hold_asset AS asset, sum(hold_remaining) AS units
          FROM portfolio_order WHERE side = 'SELL' GROUP BY 1, 2),
    held AS (
        SELECT p.book_id, i.base_asset AS asset, sum(p.quantity) AS units
          FROM portfolio_position p JOIN market_instrument i ON i.instrument_token = p.instrument_id
         GROUP BY 1, 2),
    owed AS (
        SELECT book_id, asset,
               least(coalesce(held.units, 0) - coalesce(sales.units, 0), 0) AS amount
          FROM held FULL JOIN sales USING (book_id, asset)
          JOIN portfolio_book b ON b.id = book_id AND b.kind = 'INTRADAY'),
    pots AS (
        SELECT id, book_id, asset, balance FROM portfolio_ledgeraccount WHERE kind = 'BORROWED')
    SELECT coalesce('ledger_account ' || pots.id, 'book ' || owed.book_id),
           'BORROWED ' || asset || ' is ' || coalesce(pots.balance, 0)
           || ', position and open sales make ' || coalesce(owed.amount, 0)
      FROM pots FULL JOIN owed USING (book_id, asset)
     WHERE coalesce(pots.balance, 0) <> coalesce(owed.amount, 0)
"""
# Twice what is short was sold for, less what is held to buy it back, and the worst price of what
# is still to be sold short: of several sales the dearest ones. Less only where no money is free.
MARGIN_POTS = """
    WITH live AS (
        SELECT o.*, greatest(o.margin_price, (o.pending_change->>'margin_price')::numeric)
                    * (1 + o.hold_fee_rate) AS each
          FROM portfolio_order o JOIN portfolio_book b ON b.id = o.book_id
         WHERE b.kind = 'INTRADAY' AND o.status <> ALL(%(terminal)s)),
    sales AS (
        SELECT book_id, instrument_id, hold_remaining AS units, coalesce(each, 0) AS each,
               sum(hold_remaining) OVER (
                   PARTITION BY book_id, instrument_id ORDER BY coalesce(each, 0), id) AS upto
          FROM live WHERE side = 'SELL'),
    buys AS (
        SELECT book_id, instrument_id, sum(hold_remaining) AS amount
          FROM live WHERE side = 'BUY' GROUP BY 1, 2),
    parts AS (
        SELECT s.book_id,
               round(least(s.units, greatest(
                   s.upto - greatest(coalesce(p.quantity, 0), 0), 0)) * s.each, 12) AS amount
          FROM sales s LEFT JOIN portfolio_position p
            ON p.book_id = s.book_id AND p.instrument_id = s.instrument_id
         UNION ALL
        SELECT p.book_id, greatest(-2 * p.cost - coalesce(buys.amount, 0), 0)
          FROM portfolio_position p
          JOIN portfolio_book b ON b.id = p.book_id AND b.kind = 'INTRADAY'
          LEFT JOIN buys ON buys.book_id = p.book_id AND buys.instrument_id = p.instrument_id
         WHERE p.quantity < 0),
    needed AS (SELECT book_id, sum(amount) AS amount FROM parts GROUP BY 1),
    pots AS (
        SELECT a.book_id,
               max(a.id) FILTER (WHERE a.kind = 'MARGIN') AS id,
               sum(a.balance) FILTER (WHERE a.kind = 'MARGIN') AS margin,
               sum(a.balance) FILTER (WHERE a.kind = 'AVAILABLE') AS free
          FROM portfolio_ledgeraccount a
          JOIN portfolio_book b ON b.id = a.book_id AND b.quote_asset = a.asset
         WHERE b.kind = 'INTRADAY' GROUP BY 1)
    SELECT coalesce('ledger_account ' || pots.id, 'book ' || book_id),
           'MARGIN is ' || coalesce(pots.margin, 0) || ', its short sales need '
           || coalesce(needed.amount, 0) || '; free: ' || coalesce(pots.free, 0)
      FROM pots FULL JOIN needed USING (book_id)
     WHERE coalesce(pots.margin, 0) > coalesce(needed.amount, 0) + 0.000000001
        OR (coalesce(pots.margin, 0) < coalesce(needed.amount, 0) - 0.000000001
            AND coalesce(pots.free, 0) > 0)
"""
# Triggers refuse this row by row; here a book that changed its kind shows as well.
ONLY_INTRADAY = """
    SELECT row, 'is in book ' || b.id || ', which is ' || b.kind
      FROM (SELECT 'ledger_account ' || id AS row, book_id
              FROM portfolio_ledgeraccount WHERE kind IN ('MARGIN', 'BORROWED')
             UNION ALL
            SELECT 'position ' || id, book_id FROM portfolio_position WHERE quantity < 0) short
      JOIN portfolio_book b ON b.id = short.book_id
     WHERE b.kind <> 'INTRADAY'
"""
PRODUCTS = """
    SELECT 'order ' || o.id, 'is ' || o.product || ' in book ' || b.id || ', which is ' || b.kind
      FROM portfolio_order o JOIN portfolio_book b ON b.id = o.book_id
     WHERE (o.product = 'MIS') <> (b.kind = 'INTRADAY')
     ORDER BY o.id
"""

SENT_WITHOUT_EVENT = """
    SELECT 'order ' || o.id, 'is ' || o.status || ' and has no SENDING event'
      FROM portfolio_order o
     WHERE o.status = ANY(%(sent)s)
       AND NOT EXISTS (SELECT 1 FROM portfolio_orderevent e
                        WHERE e.order_id = o.id AND e.kind = 'SENDING')
     ORDER BY o.id
"""
TRADES_WITHOUT_REPORT = """
    SELECT 'trade ' || t.id, 'has no applied report in the inbox'
      FROM portfolio_trade t JOIN portfolio_order o ON o.id = t.order_id
     WHERE NOT EXISTS (
           SELECT 1 FROM portfolio_venueevent e
            WHERE e.venue_account_id = t.venue_account_id
              AND e.payload->>'venue_trade_id' = t.venue_trade_id
              AND e.payload->>'client_order_id' = o.client_order_id
              AND e.payload->>'kind' = 'TRADE'
              AND e.applied_at IS NOT NULL AND e.error = '')
     ORDER BY t.id
"""
REPORTS_WITHOUT_TRADE = """
    SELECT 'venue_event ' || e.id,
           CASE WHEN e.error = '' THEN 'was applied and made no trade'
                ELSE 'is a fill that was not booked: ' || e.error END
      FROM portfolio_venueevent e
      JOIN portfolio_order o ON o.client_order_id = e.payload->>'client_order_id'
                            AND o.venue_account_id = e.venue_account_id
     WHERE e.payload->>'kind' = 'TRADE' AND e.applied_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM portfolio_trade t
                        WHERE t.order_id = o.id
                          AND t.venue_trade_id = e.payload->>'venue_trade_id')
     ORDER BY e.id
"""
# A slot is the reference without its sequence number: `b7-4-B-5` is slot `b7-4-B` for the fifth
# time. What is being cancelled makes room for its successor.
SLOTS = """
    SELECT 'order ' || max(id), count(*) || ' live orders in slot '
           || regexp_replace(slot_ref, '-[0-9]+$', '')
      FROM portfolio_order
     WHERE slot_ref IS NOT NULL AND status <> ALL(%(terminal)s) AND cancel_requested_at IS NULL
     GROUP BY book_id, regexp_replace(slot_ref, '-[0-9]+$', '') HAVING count(*) > 1
"""

CLIENT_IDS = """
    SELECT 'order ' || max(id), 'client id ' || client_order_id || ' is used ' || count(*)
           || ' times on account ' || venue_account_id
      FROM portfolio_order GROUP BY venue_account_id, client_order_id HAVING count(*) > 1
"""

POSITION_TRADES = """
    WITH traded AS (
        SELECT t.book_id, t.instrument_id,
               coalesce(sum(t.quantity) FILTER (WHERE t.side = 'BUY'), 0) AS bought,
               coalesce(sum(t.quantity) FILTER (WHERE t.side = 'SELL'), 0) AS sold,
               coalesce(sum(round(t.quantity * t.price, 12)) FILTER (WHERE t.side = 'BUY'), 0)
                   AS paid,
               coalesce(sum(round(t.quantity * t.price, 12)) FILTER (WHERE t.side = 'SELL'), 0)
                   AS received,
               coalesce(sum(t.fee) FILTER (WHERE t.fee_asset = i.quote_asset), 0) AS fees_quote,
               coalesce(sum(t.fee) FILTER (WHERE t.fee_asset <> i.quote_asset), 0) AS fees_base,
               sum(t.realised) AS realised
          FROM portfolio_trade t JOIN market_instrument i ON i.instrument_token = t.instrument_id
         GROUP BY 1, 2)
    SELECT coalesce('position ' || p.id, 'book ' || t.book_id || ' instrument ' || t.instrument_id),
           'counts ' || coalesce(p.buy_quantity, 0) || ' bought and ' || coalesce(p.sell_quantity, 0)
           || ' sold, the trades ' || coalesce(t.bought, 0) || ' and ' || coalesce(t.sold, 0)
           || '; realised ' || coalesce(p.realised, 0) || ' against ' || coalesce(t.realised, 0)
      FROM portfolio_position p FULL JOIN traded t USING (book_id, instrument_id)
     WHERE (coalesce(p.buy_quantity, 0), coalesce(p.sell_quantity, 0), coalesce(p.buy_value, 0),
            coalesce(p.sell_value, 0), coalesce(p.fees_quote, 0), coalesce(p.fees_base, 0),
            coalesce(p.realised, 0))
        <> (coalesce(t.bought, 0), coalesce(t.sold, 0), coalesce(t.paid, 0),
            coalesce(t.received, 0), coalesce(t.fees_quote, 0), coalesce(t.fees_base, 0),
            coalesce(t.realised, 0))
"""
_HELD = """
    held AS (
        SELECT p.book_id, i.base_asset AS asset, min(p.id) AS id, sum(p.quantity) AS quantity,
               sum(p.buy_quantity - p.sell_quantity - p.fees_base) AS traded
          FROM portfolio_position p JOIN market_instrument i ON i.instrument_token = p.instrument_id
         GROUP BY 1, 2)
"""
# Units that came or went without a trade: deposits and transfers between books.
POSITION_QUANTITY = f"""
    WITH {_HELD},
    moved AS (
        SELECT a.book_id, a.asset, sum(e.amount) AS quantity
          FROM portfolio_ledgerentry e
          JOIN portfolio_ledgeraccount a ON a.id = e.account_id
          JOIN portfolio_ledgertransaction t ON t.id = e.transaction_id
         WHERE a.book_id IS NOT NULL AND t.kind IN ('DEPOSIT', 'TRANSFER')
         GROUP BY 1, 2)
    SELECT 'position ' || held.id, 'is ' || held.quantity || ' ' || asset || ', its trades make '
           || held.traded || ' and ' || coalesce(moved.quantity, 0) || ' were moved in'
      FROM held LEFT JOIN moved USING (book_id, asset)
     WHERE held.quantity <> held.traded + coalesce(moved.quantity, 0)
"""  # noqa: S608 - own text
POSITION_UNITS = f"""
    WITH {_HELD},
    units AS (
        SELECT a.book_id, a.asset, sum(a.balance) AS quantity
          FROM portfolio_ledgeraccount a JOIN portfolio_book b ON b.id = a.book_id
         WHERE a.asset <> b.quote_asset GROUP BY 1, 2)
    SELECT coalesce('position ' || held.id, 'book ' || units.book_id),
           'is ' || coalesce(held.quantity, 0) || ' ' || asset || ', the ledger has '
           || coalesce(units.quantity, 0)
      FROM held FULL JOIN units USING (book_id, asset)
     WHERE coalesce(held.quantity, 0) <> coalesce(units.quantity, 0)
"""  # noqa: S608 - own text
# Transfers carry cost from book to book, never out of the account.
POSITION_COST = """
    SELECT 'position ' || min(p.id),
           'cost of account ' || b.venue_account_id || ' is ' || sum(p.cost) || ', its trades make '
           || sum(p.buy_value - p.sell_value + p.realised)
      FROM portfolio_position p JOIN portfolio_book b ON b.id = p.book_id
     GROUP BY b.venue_account_id, p.instrument_id
    HAVING sum(p.cost) <> sum(p.buy_value - p.sell_value + p.realised)
"""

FILLED = """
    SELECT 'order ' || o.id, 'is ' || o.status || ' with ' || o.filled_quantity || ' of '
           || o.quantity || ' filled, its trades sum to ' || coalesce(sum(t.quantity), 0)
      FROM portfolio_order o LEFT JOIN portfolio_trade t ON t.order_id = o.id
     GROUP BY o.id
    HAVING o.filled_quantity <> coalesce(sum(t.quantity), 0)
        OR o.filled_value <> coalesce(sum(round(t.quantity * t.price, 12)), 0)
        OR o.filled_quantity > o.quantity
        OR (o.status = 'FILLED' AND o.filled_quantity <> o.quantity)
     ORDER BY o.id
"""
UNSENT_TRADES = """
    SELECT 'trade ' || t.id, 'belongs to order ' || o.id || ', which was not sent'
      FROM portfolio_trade t JOIN portfolio_order o ON o.id = t.order_id
     WHERE o.status IN ('READY', 'DENIED')
        OR NOT EXISTS (SELECT 1 FROM portfolio_orderevent e
                        WHERE e.order_id = o.id AND e.kind = 'SENDING')
     ORDER BY t.id
"""
HISTORY = """
    WITH steps AS (
        SELECT e.id, e.order_id, e.sequence, e.kind, e.from_status, e.to_status,
               lag(e.to_status, 1, '') OVER w AS was, lag(e.sequence, 1, 0) OVER w AS nth,
               lead(e.id) OVER w IS NULL AS is_last
          FROM portfolio_orderevent e
        WINDOW w AS (PARTITION BY e.order_id ORDER BY e.sequence))
    SELECT 'order_event ' || s.id, 'order ' || s.order_id || ' went from '
           || coalesce(nullif(s.was, ''), 'nothing') || ' to ' || s.to_status || ' by ' || s.kind
           || ', the order is ' || o.status
      FROM steps s JOIN portfolio_order o ON o.id = s.order_id
     WHERE s.from_status <> s.was OR s.sequence <> s.nth + 1
        OR (s.was = ANY(%(terminal)s) AND s.to_status <> s.was AND s.kind <> 'ADOPTED')
        OR (s.is_last AND (s.to_status <> o.status OR s.sequence <> o.event_count))
     ORDER BY s.id
"""

IN_DOUBT = """
    SELECT 'order ' || id, 'is ' || status || ' since ' || coalesce(unknown_since, sent_at, updated_at)
      FROM portfolio_order
     WHERE (status = 'SENDING' AND coalesce(sent_at, updated_at) < %(sending)s)
        OR (status = 'UNKNOWN' AND coalesce(unknown_since, updated_at) < %(unknown)s)
     ORDER BY id
"""
