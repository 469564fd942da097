"""The same key gives the same answer: writes of programs that are not orders."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from portfolio.exceptions import IdempotencyConflict
from portfolio.models import IdempotencyKey
from portfolio.services.locking import require_transaction

KEPT = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered before."""

    data: Any


def answer_for(user: User, key: str, *, digest: str, now: datetime) -> KeptAnswer | None:
    """Claim a key for this transaction; return the answer where the key was used before.

    A second request with the key waits here until the first has committed. Raises
    `IdempotencyConflict` when the key was used for something else.
    """
    require_transaction()
    made, is_new = IdempotencyKey.objects.get_or_create(
        user=user, key=key, defaults={"request_hash": digest, "created_at": now}
    )
    if is_new:
        return None
    if made.request_hash != digest or made.order_id is not None:
        raise IdempotencyConflict(f"The key {key.partition(':')[2]} was used for something else.")
    return KeptAnswer(made.answer)


def keep_answer(user: User, key: str, *, data: Any) -> None:
    """Keep what is answered with a key claimed in this transaction."""
    IdempotencyKey.objects.filter(user=user, key=key).update(answer=data)


def forget_answers(*, now: datetime) -> int:
    """Delete keys of two days ago that made no order; say how many."""
    old = IdempotencyKey.objects.filter(order=None, created_at__lt=now - KEPT)
    return old.delete()[0]
