"""A bot's fills and resting orders, against the worked example of bots.md 2.5."""

import html
import re

import pytest

from accounts.models import User
from bots.tests.factories import make_world
from bots.views import fills
from bots.views.fills import fill_rows
from finbyte_site.tests.console import client_of
from market.domain.formatting import plain
from portfolio.models import Trade

pytestmark = pytest.mark.usefixtures("real_db")

PATH = (259, 254, 248, 256, 263, 271, 276, 268, 259, 266)
# number, side, price, what it is, pair profit
EXPECTED = [
    (1, "BUY", "262", "initial units", None),
    (2, "BUY", "260", "sold as #7", None),
    (3, "BUY", "255", "sold as #6", None),
    (4, "BUY", "250", "sold as #5", None),
    (5, "SELL", "255", "with #4", "113.94"),
    (6, "SELL", "260", "with #3", "113.82"),
    (7, "SELL", "265", "with #2", "113.7"),
    (8, "SELL", "270", "initial unit", None),
    (9, "SELL", "275", "initial unit", None),
    (10, "BUY", "270", "", None),
    (11, "BUY", "265", "", None),
    (12, "BUY", "260", "sold as #13", None),
    (13, "SELL", "265", "with #12", "113.7"),
]


def told(row):
    profit = None if row.profit is None else plain(row.profit)
    return row.number, row.trade.side, plain(row.trade.price), row.words, profit


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(page)).split())


def test_every_fill_names_its_pair(alice: User, now, redis_client, monkeypatch) -> None:
    world = make_world(alice, now=now)
    bot = world.start()
    world.tick(*PATH)
    bot = world.reread(bot)
    assert [told(row) for row in reversed(fill_rows(bot))] == EXPECTED
    client = client_of(alice)
    page = text_of(client.get(f"/console/bots/{bot.pk}/fills/").content.decode())
    assert "24 265.00 +Rs. 113.70 with #12 02 Mar" in page
    # A partner that is too old to be listed is named by its price.
    monkeypatch.setattr(fills, "FILL_ROWS", 1)
    assert [told(row) for row in fill_rows(bot)] == [
        (13, "SELL", "265", "with the buy at 260.00", "113.7")
    ]


def test_resting_orders_stand_from_the_highest_down(alice: User, now, redis_client) -> None:
    world = make_world(alice, now=now)
    bot = world.start()
    page = text_of(client_of(alice).get(f"/console/bots/{bot.pk}/orders/").content.decode())
    prices = re.findall(r"(BUY|SELL) (\d+\.\d\d) 0 / 24 Open", page)
    sells, buys = [280, 275, 270], [260, 255, 250, 245, 240]
    assert prices == [("SELL", f"{each}.00") for each in sells] + [
        ("BUY", f"{each}.00") for each in buys
    ]


def test_the_parts_of_an_order_are_told_from_its_end(alice: User, now, redis_client) -> None:
    world = make_world(alice, now=now)
    bot = world.start()
    world.tick(259)
    buy = Trade.objects.get(book=bot.book_id, price=260)
    buy.pk, buy.venue_trade_id = None, "second"
    buy.save(force_insert=True)
    rows = fill_rows(world.reread(bot))
    assert [(row.number, row.words) for row in rows] == [
        (3, ""), (2, "part of #3"), (1, "initial units")
    ]  # fmt: skip
