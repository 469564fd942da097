"""Work of accounts that a page does not wait for."""

from celery import shared_task

from accounts.services import places
from accounts.services.notices import mail_notice
from accounts.services.passwords import mail_reset_link


@shared_task
def send_reset_link(email: str) -> None:
    """Mail a reset link; in a task, so that known and unknown addresses answer alike."""
    mail_reset_link(email)


@shared_task
def send_alert(user_id: int, template: str, facts: dict[str, str]) -> None:
    """Mail a user what happened to his account, and what to do if it was not him."""
    places.send_alert(user_id, template, facts)


@shared_task
def send_notice(user_id: int, kind: str, values: dict[str, str]) -> None:
    """Mail a user what has changed in the security of his account."""
    mail_notice(user_id, kind, values)
