"""Work of accounts that a page does not wait for."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.services.delegations import mail_delegation
from accounts.services.expiry import delete_expired
from accounts.services.notices import mail_notice
from accounts.services.passwords import mail_reset_link
from accounts.services.sessions import announce_ended


@shared_task
def send_reset_link(email: str) -> None:
    """Mail a reset link; in a task, so that known and unknown addresses answer alike."""
    mail_reset_link(email)


@shared_task(name="accounts.end_sessions")
def end_sessions() -> int:
    """Close what sessions that ended by the clock have left open; the rows ended by themselves."""
    now = timezone.now()
    return announce_ended(now=now, since=now - timedelta(days=1))


@shared_task(name="accounts.clear_expired")
def clear_expired() -> int:
    """Delete what is long over; say how many rows."""
    return delete_expired(now=timezone.now())


@shared_task
def send_notice(user_id: int, kind: str, values: dict[str, str]) -> None:
    """Mail a user what happened to his account, and what to do if it was not him."""
    mail_notice(user_id, kind, values)


@shared_task
def send_delegation_mail(delegation_id: int, what: str) -> None:
    """Mail owner and viewer that an account was offered, accepted, taken back or left."""
    mail_delegation(delegation_id, what)
