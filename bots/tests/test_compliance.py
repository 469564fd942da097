"""A bot starts only where its account lets it trade by itself."""

import pytest

from bots.exceptions import BotNotReady
from bots.models import Bot
from bots.services.bots import start_bot
from finbyte_site.tests.console import Stage
from portfolio.models import Book, LedgerTransaction
from portfolio.tests.services.test_compliance import WAITING, connected

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("IN_MANUAL", "On this account a person decides each order"),
        ("IN_OWN_ALGO", WAITING),
        ("IN_REGISTERED_ALGO", WAITING),
    ],
)
def test_a_bot_is_not_started_on_an_account_that_refuses_it(alice, redis_client, profile, words):
    stage = Stage(alice, redis_client)
    bot = stage.bot()
    account = connected(alice, stage.now, profile=profile)
    Bot.objects.filter(pk=bot.pk).update(status="VALIDATED", book=None, venue_account=account)
    books, moves = Book.objects.count(), LedgerTransaction.objects.count()
    hints: list[int] = []
    with pytest.raises(BotNotReady, match=words):
        start_bot(alice, bot.pk, quote=stage.quote, now=stage.now, hint=hints.append)
    bot.refresh_from_db()
    assert (bot.status, bot.book) == ("VALIDATED", None)
    assert (Book.objects.count(), LedgerTransaction.objects.count()) == (books, moves)
    assert hints == []
