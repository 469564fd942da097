"""A recorded day, every tick of it, through the whole system and through the backtester.

What counts as shown is decisions 50: every fill of the database run came from a venue report that
went READY -> SENDING -> OPEN -> inbox -> F, and the ledger was checked after every tick.
"""

from dataclasses import asdict

import pytest
from django.db.models import Count

from bots.domain.backtest import path_of_prices
from bots.domain.backtest_report import backtest
from bots.domain.spot_grid_figures import figures_of
from bots.tests.factories import make_world
from bots.tests.runtime.ledger_watch import LedgerWatch
from market.domain.enums import FeeMode, OrderStatus
from market.providers.files import iter_tick_file
from market.tests.factories import recording, spec_of
from portfolio.models import Order, OrderEvent, Trade, VenueEvent
from portfolio.tests.factories import make_instrument

# Range, grids, spacing and fee mode of each run; all four trade the same ticks side by side.
GRIDS = [
    ("arithmetic", FeeMode.QUOTE, {"lower": "111.2", "upper": "115.2", "grids": "22"}),
    ("geometric", FeeMode.RECEIVED, {"lower": "112", "upper": "115", "grids": "18"}),
    ("geometric", FeeMode.QUOTE, {"lower": "111.5", "upper": "115.1", "grids": "20"}),
    # The day leaves this range on both sides: out of range and back again is part of the run.
    ("arithmetic", FeeMode.RECEIVED, {"lower": "112", "upper": "114.5", "grids": "15"}),
]
FEE = "0.0001"


@pytest.fixture
def ticks():
    path = recording("equities/ticks/ONGC_2021-05-14_ticks.csv.gz")
    return list(iter_tick_file(path, spec_of()))


def test_a_recorded_day_gives_the_fills_of_the_backtester(ticks, alice, real_db):
    assert len(ticks) == 10_239
    first = ticks[0]
    instrument = make_instrument()
    worlds, bots, runner = [], [], None
    for spacing, fee_mode, parameters in GRIDS:
        world = make_world(
            alice,
            now=first.exchange_time,
            instrument=instrument,
            price=first.price,
            fee=FEE,
            fee_mode=fee_mode,
            runner=runner,
        )
        runner = world.runner
        bots.append(world.start(spacing=spacing, investment="200000", **parameters))
        worlds.append(world)
    watch = LedgerWatch()
    assert watch.check() == []

    for tick in ticks[1:]:
        runner.tick(instrument.pk, tick.price, at=tick.exchange_time)
        assert watch.check() == []

    path = path_of_prices(
        [tick.price for tick in ticks],
        [tick.exchange_time for tick in ticks],
        tick_size=instrument.tick_size,
    )
    for world, bot in zip(worlds, bots, strict=True):
        world.now = ticks[-1].exchange_time
        check_against_backtest(world, bot, path)
        check_the_way_of_every_fill(bot.book)


def check_against_backtest(world, bot, path):
    expected = backtest(world.config(bot), path, has_rows=False)
    wanted = [
        (
            fill.order.slot_ref.split("-", 1)[1],
            fill.order.side,
            fill.trade.price,
            fill.trade.quantity,
            fill.trade.fee,
            fill.trade.time,
        )
        for fill in expected.run.fills
    ]
    got = [
        (
            trade.order.slot_ref.split("-", 1)[1],
            trade.side,
            trade.price,
            trade.quantity,
            trade.fee,
            trade.exchange_time,
        )
        for trade in Trade.objects.filter(book=bot.book).select_related("order").order_by("pk")
    ]
    assert len(wanted) >= 200
    assert got == wanted
    state = world.state(bot)
    figures = figures_of(world.config(bot), state, price=world.quote.last_price, now=world.now)
    assert asdict(figures) == asdict(expected.figures)
    assert world.total(bot.book, "INR") == state.cash
    assert world.total(bot.book, world.instrument.base_asset) == state.base
    resting = Order.objects.filter(book=bot.book, status=OrderStatus.OPEN)
    assert sorted(order.slot_ref.split("-", 1)[1] for order in resting) == sorted(
        order.slot_ref.split("-", 1)[1] for order in expected.run.closing_orders
    )


def check_the_way_of_every_fill(book):
    """Count the events of every filled order: none was filled by another way."""
    filled = Order.objects.filter(book=book, status=OrderStatus.FILLED)
    trades = Trade.objects.filter(book=book)
    assert filled.count() == trades.count() == trades.values("venue_trade_id").distinct().count()
    events = OrderEvent.objects.filter(order__in=filled)
    ways = events.values("order").annotate(count=Count("pk")).values_list("count", flat=True)
    assert set(ways) == {4}
    for kind, before, after in (
        ("CREATED", "", "READY"),
        ("SENDING", "READY", "SENDING"),
        ("ACCEPTED", "SENDING", "OPEN"),
        ("TRADE", "OPEN", "FILLED"),
    ):
        steps = events.filter(kind=kind, from_status=before, to_status=after)
        assert steps.count() == trades.count(), kind
    inbox = VenueEvent.objects.filter(venue_account=book.venue_account, applied_at__isnull=False)
    assert inbox.filter(payload__kind="TRADE", error="").count() == trades.count()
    assert not VenueEvent.objects.filter(applied_at__isnull=True).exists()
