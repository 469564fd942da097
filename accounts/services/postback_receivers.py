"""How the receivers of notices that apps have named behave."""

from collections.abc import Callable
from datetime import datetime, timedelta

from accounts.models import PostbackReceiver

# So many failures in a row, whatever is answered, and the receiver is left alone for a while.
MOST_FAILURES = 5


def note_delivery(app_id: int, url: str, *, answer: str, now: datetime) -> None:
    """Note that an address has taken a notice: nothing is held against it any more."""
    receiver = _receiver(app_id, url)
    receiver.failures, receiver.paused_until = 0, None
    receiver.answer, receiver.delivered_at = answer, now
    receiver.save()


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
    receiver = _receiver(app_id, url)
    receiver.failures += 1
    is_paused = is_away or receiver.failures >= MOST_FAILURES
    receiver.answer, receiver.failed_at = answer, now
    receiver.paused_until = now + pause(receiver.failures) if is_paused else None
    receiver.save()


def _receiver(app_id: int, url: str) -> PostbackReceiver:
    """Return what is known of an app's address; of another one than before nothing is."""
    found = PostbackReceiver.objects.filter(app_id=app_id, url=url).first()
    return found or PostbackReceiver(app_id=app_id, url=url)
