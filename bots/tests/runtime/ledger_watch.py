"""The ledger, checked after every tick of a simulation in one query."""

from dataclasses import dataclass

from django.db import connection

_LEDGER = """
    SELECT 'unbalanced', transaction_id::text, asset, sum(amount) FROM portfolio_ledgerentry entry
      JOIN portfolio_ledgeraccount account ON account.id = entry.account_id
     WHERE transaction_id > %(after)s GROUP BY transaction_id, asset HAVING sum(amount) <> 0
    UNION ALL
    SELECT 'balance', account.id::text, account.asset, account.balance - made.total
      FROM portfolio_ledgeraccount account
      JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM portfolio_ledgerentry
                     WHERE account_id = account.id) made ON true
     WHERE account.balance IS NOT NULL AND account.balance <> made.total
       AND EXISTS (SELECT 1 FROM portfolio_ledgerentry entry
                    WHERE entry.account_id = account.id AND entry.transaction_id > %(after)s)
    UNION ALL
    SELECT 'seen', coalesce(max(id), 0)::text, '', 0 FROM portfolio_ledgertransaction
"""


@dataclass(slots=True)
class LedgerWatch:
    """Checks what was posted since the last look.

    Every transaction must sum to zero per asset, and the balance of every account that it touched
    must be the sum of all its entries.
    """

    seen: int = 0

    def check(self) -> list[str]:
        """Return what is wrong, in words."""
        with connection.cursor() as cursor:
            cursor.execute(_LEDGER, {"after": self.seen})
            rows = cursor.fetchall()
        self.seen = next(int(row[1]) for row in rows if row[0] == "seen")
        return [f"{kind} {key} {asset}: {off}" for kind, key, asset, off in rows if kind != "seen"]
