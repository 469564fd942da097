"""How the receivers of notices that apps have named behave."""

from collections.abc import Callable
from datetime import datetime, timedelta

from accounts.models import PostbackReceiver

# So many failures in a row, whatever is answered, and the receiver is left alone for a while.
MOST_FAILURES = 5


def note_delivery(app_id: int, url: str, *, answer: str, now: datetime) -> None:
    """Note that an address has taken a notice: nothing is held against it any more."""
    fresh = {"url": url, "failures": 0, "paused_until": None, "answer": answer}
    PostbackReceiver.objects.update_or_create(
        app_id=app_id, defaults={**fresh, "delivered_at": now}
    )


def note_failure(
    app_id: int,
    url: str,
    *,
    answer: str,
    is_away: bool,
    pause: Callable[[int], timedelta],
    now: datetime,
) -> None:
    """Note that an address has not taken a notice; `pause` says for how long it is left alone.

    It is where nobody was there, or where it has refused everything for a while.
    """
    receiver, _ = PostbackReceiver.objects.get_or_create(app_id=app_id, defaults={"url": url})
    receiver.failures = receiver.failures + 1 if receiver.url == url else 1
    is_paused = is_away or receiver.failures >= MOST_FAILURES
    receiver.url, receiver.answer, receiver.failed_at = url, answer, now
    receiver.paused_until = now + pause(receiver.failures) if is_paused else None
    receiver.save()
