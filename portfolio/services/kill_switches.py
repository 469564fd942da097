"""The stop for everything in a scope (decisions 6 and 8)."""

from datetime import datetime

from django.db import connection, transaction

from portfolio.models import KillSwitch

# The switches over an order or a book `x` that stop it: fill in its name, and the book's id.
STOPPED_BY = """k.is_active AND (k.scope, k.key) IN (('PLATFORM', 0), ('USER', {x}.user_id),
                     ('VENUE_ACCOUNT', {x}.venue_account_id), ('BOOK', {book}))"""
# A row that is missing is made here as well; its absence must never keep a stop from working.
_SET = """
    INSERT INTO portfolio_killswitch AS k (scope, key, is_active, reason, version, changed_at)
    VALUES (%(scope)s, %(key)s, %(active)s, %(reason)s, 1, %(now)s)
    ON CONFLICT (scope, key) DO UPDATE
       SET is_active = excluded.is_active, reason = excluded.reason,
           version = k.version + 1, changed_at = excluded.changed_at
     WHERE k.is_active <> excluded.is_active
"""


def set_kill(
    scope: KillSwitch.Scope, key: int, *, active: bool, reason: str, now: datetime
) -> bool:
    """Switch a stop on or off; say whether that changed anything.

    Waits as long as it takes for claims that hold the row: T2 does nothing else under it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute(
            _SET,
            {
                "scope": scope.value,
                "key": key,
                "active": active,
                "reason": reason[:200],
                "now": now,
            },
        )
        return bool(cursor.rowcount)
