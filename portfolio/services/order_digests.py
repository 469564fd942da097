"""What the order chains end in, written into the audit chain every hour (decisions 17).

Whoever owns the database could write a whole order chain anew with hashes that fit: the digest in
the audit chain still says what its end was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import connection
from django.db.models import Max

from accounts.models import AuditEvent
from accounts.services import audit
from portfolio.models import OrderEvent

DIGEST_KIND = "orders.digest"
# Longer than any transaction may last: what was numbered before the last digest has committed.
SETTLED_AFTER = timedelta(minutes=30)
_ENDS = """
    SELECT DISTINCT ON (order_id) order_id, hash FROM portfolio_orderevent
     WHERE id > %s AND id <= %s ORDER BY order_id, sequence DESC
"""


@dataclass(frozen=True, slots=True)
class BrokenDigest:
    """A digest that the order events do not agree with any more."""

    audit_event_id: int
    message: str


def digest_orders(*, now: datetime) -> AuditEvent | None:
    """Digest the order events numbered until the last digest; None when there is nothing to say.

    It never covers what is newer: an event with a lower number could still be on its way.
    """
    last = AuditEvent.objects.filter(kind=DIGEST_KIND).order_by("-pk").first()
    told = {"through": 0, "newest": 0} if last is None else last.detail
    newest = OrderEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    is_early = last is not None and now - last.at < SETTLED_AFTER
    if is_early or newest == told["through"]:
        return None
    after, through = told["through"], told["newest"]
    count, digest = _digest_of(after, through)
    return audit.record(
        actor=None,
        kind=DIGEST_KIND,
        detail={
            "after": after,
            "through": through,
            "newest": newest,
            "orders": count,
            "digest": digest,
        },
        now=now,
    )


def broken_digests() -> list[BrokenDigest]:
    """Return the digests that no longer follow from the order events they cover."""
    found = []
    for event in AuditEvent.objects.filter(kind=DIGEST_KIND).order_by("pk"):
        after, through = event.detail["after"], event.detail["through"]
        if _digest_of(after, through) != (event.detail["orders"], event.detail["digest"]):
            message = f"order events {after + 1} to {through} are not those that were digested"
            found.append(BrokenDigest(event.pk, message))
    return found


def _digest_of(after: int, through: int) -> tuple[int, str]:
    """Return how many orders have events in the range, and the digest of their last hashes."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDS, [after, through])
        rows = cursor.fetchall()
    text = "\n".join(f"{order_id}:{last_hash}" for order_id, last_hash in rows)
    return len(rows), sha256(text.encode()).hexdigest()
