"""The people of the tenant matrix and what is theirs, marked so that a leak shows."""

from dataclasses import dataclass, field
from typing import Any

import redis
from django.db.models import Model

from accounts.models import User
from bots.models import Bot
from finbyte_site.tests.console import Stage
from portfolio.models import Order


def marker_of(user: User) -> str:
    """Return a text that stands in everything of one user and nowhere else."""
    return f"zz{user.email.split('@')[0].upper()}zz"


@dataclass(slots=True)
class Things:
    """One user's things."""

    stage: Stage
    order: Order
    bot: Bot
    others: dict[str, Model] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """Return whose they are."""
        return self.stage.user

    @property
    def marker(self) -> str:
        """Return the text that stands in all of them."""
        return marker_of(self.user)

    def __getitem__(self, name: str) -> Any:
        return self.others[name]


def things_of(user: User, client: redis.Redis) -> Things:
    """Give a user an account with money, an order, a fill and a running bot."""
    stage = Stage(user, client)
    marker = marker_of(user)
    user.full_name = marker
    user.save(update_fields=["full_name"])
    stage.account.name = f"Paper {marker}"
    stage.account.save(update_fields=["name"])
    order = stage.order()
    bot = stage.running_bot(name=f"Grid {marker}")
    stage.fills(stage.book, 1)
    return Things(stage, order, bot)
