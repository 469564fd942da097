"""Bots count with one flat rate per fill: accounts that pay itemised charges have none."""

from datetime import timedelta

import pytest

from bots.exceptions import InvalidParameter
from bots.models import Bot
from bots.tests.factories import make_world
from portfolio.domain.account_fees import FeeKind
from portfolio.exceptions import AccountRefused
from portfolio.models import Book, FeeSchedule
from portfolio.selectors.charges import fees_of
from portfolio.services.charges import set_fee_kind


@pytest.fixture
def world(alice, now, real_db):
    return make_world(alice, now=now)


def itemise(world):
    world.now += timedelta(seconds=1)
    return set_fee_kind(world.account, FeeKind.INDIAN_EQUITY, now=world.now)


def test_no_bot_is_made_on_itemised_charges(world):
    assert itemise(world)
    with pytest.raises(InvalidParameter, match="bots count with a flat fee") as error:
        world.create()
    assert (error.value.field, error.value.code) == ("venue_account", "NOT_OFFERED")
    assert not Bot.objects.exists()


def test_no_bot_is_started_on_itemised_charges(world):
    bot = world.create()
    assert itemise(world)
    with pytest.raises(InvalidParameter, match="use an account with flat fees"):
        world.start(bot)
    again = world.reread(bot)
    assert (again.status, again.book) == ("VALIDATED", None)
    assert not Book.objects.filter(kind="BOT").exists()


def test_a_running_bot_keeps_its_account_flat(world):
    bot = world.start()
    with pytest.raises(AccountRefused, match="has open orders"):
        itemise(world)
    world.ask(bot, "pause_bot")
    with pytest.raises(AccountRefused):
        itemise(world)
    assert FeeSchedule.objects.count() == 1
    assert fees_of(world.account, at=world.now).kind is FeeKind.FLAT
    world.ask(bot, "stop_bot", stop_mode=None)
    assert itemise(world)
