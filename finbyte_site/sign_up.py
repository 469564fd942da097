"""Sign-up: a user and the paper accounts to start with, together or not at all (decisions 38)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.services.access import record_sign_up
from accounts.services.users import register_user
from portfolio.services.accounts import open_paper_accounts


def sign_up(
    *, email: str, password: str, full_name: str = "", client_address: str | None, now: datetime
) -> User:
    """Create a user with paper accounts in rupees and USDT."""
    with transaction.atomic(durable=True):
        user = register_user(email=email, password=password, full_name=full_name, now=now)
        open_paper_accounts(user, now=now)
        record_sign_up(user, client_address=client_address, now=now)
    return user
