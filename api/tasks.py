"""Rounds of the API; every task is safe to run twice and safe to lose."""

from celery import shared_task

from api.postback_client import PostbackClient
from api.postbacks import send_due


@shared_task(name="api.send_postbacks", ignore_result=True)
def send_postbacks() -> None:
    """Tell apps of their orders; every second."""
    send_due(PostbackClient())
