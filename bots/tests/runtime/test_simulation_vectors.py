"""The golden vectors through the whole system on the database, number for number."""

from datetime import timedelta
from decimal import Decimal

import pytest

from bots.domain.backtest_inputs import PATH_START, read_inputs
from bots.domain.spot_grid_config import plain
from bots.domain.spot_grid_figures import figures_of
from bots.tests.domain.grids import vector
from bots.tests.factories import always_open, make_world
from bots.tests.runtime.ledger_watch import LedgerWatch
from market.domain.enums import FeeMode
from portfolio.models import Trade
from portfolio.selectors.orders import open_orders_of_book

SYMBOLS = {"NSE:ONGC": "NSE:ONGC", "SOL-USDT": "BINANCE:SOLUSDT"}


def vector_world(user, inputs):
    """Return a world whose instrument, fees and money are those of a vector."""
    read = read_inputs(inputs)
    spec = read.spec
    instrument = always_open(
        SYMBOLS[inputs["symbol"]],
        tick_size=spec.tick_size,
        lot_size=spec.lot_size,
        min_quantity=spec.min_quantity,
        min_notional=spec.min_notional,
    )
    return make_world(
        user,
        now=PATH_START,
        instrument=instrument,
        price=inputs["path"][0],
        fee=inputs["maker_fee"],
        fee_mode=FeeMode(inputs["fee_mode"]),
    )


def row_of(world, bot, number):
    figures = figures_of(world.config(bot), world.state(bot), price=world.quote.last_price)
    booked = world.reread(bot)
    base = world.instrument.base_asset
    # The strategy's own count and the ledger agree, after every tick.
    assert world.total(booked.book, world.instrument.quote_asset) == figures.cash
    assert world.total(booked.book, base) == figures.base
    assert booked.grid_profit == figures.grid_profit
    assert booked.pair_count == figures.pairs
    return {
        "tick": number,
        "price": plain(figures.price),
        "empty_level": figures.empty_level,
        "base": plain(figures.base),
        "cash": plain(figures.cash),
        "equity": plain(figures.equity),
        "grid_profit": plain(figures.grid_profit),
        "total_pnl": plain(figures.total_pnl),
        "unmatched_pnl": plain(figures.unmatched),
        "pairs": figures.pairs,
    }


def open_orders(book):
    """Return the resting orders as a vector lists them, from the lowest."""
    rows = sorted(open_orders_of_book(book.pk), key=lambda order: order.price)
    return [
        {
            "side": order.side,
            "level": int(order.origin_slot),
            "price": plain(order.price),
            "qty": plain(order.quantity),
        }
        for order in rows
    ]


@pytest.mark.parametrize("name", ["spot_grid_arithmetic", "spot_grid_geometric"])
def test_vector_through_the_database_after_every_tick(name, alice, real_db):
    expected = vector(name)
    inputs = expected["inputs"]
    world = vector_world(alice, inputs | {"path": expected["path"]})
    watch = LedgerWatch()

    parameters = {
        key: inputs[key]
        for key in ("lower", "upper", "grids", "spacing", "investment", "reserve_pct")
    }
    bot = world.start(**parameters)
    assert open_orders(bot.book) == expected["open_orders_after_start"]
    rows = [row_of(world, bot, 0)]
    for number, price in enumerate(expected["path"][1:], start=1):
        world.tick(price, seconds=inputs["tick_seconds"])
        rows.append(row_of(world, bot, number))
        assert watch.check() == []

    assert rows == expected["after_tick"]
    assert open_orders(bot.book) == expected["open_orders_at_end"]
    fills = [
        {
            "side": trade.side,
            "price": plain(trade.price),
            "qty": plain(trade.quantity),
            "fee": plain(trade.fee),
            "fee_in": "base" if trade.fee_asset == world.instrument.base_asset else "quote",
        }
        for trade in Trade.objects.filter(book=bot.book).order_by("pk")
    ]
    assert fills == [{key: row[key] for key in fills[0]} for row in expected["fills"]]
    check_stop(world, bot, expected["final"])


def check_stop(world, bot, final):
    """Stop and sell everything: money and dust come back to Manual exactly as the vector says."""
    before = world.total(world.manual, world.instrument.quote_asset)
    world.now += timedelta(seconds=1)

    stopped = world.ask(bot, "stop_bot", stop_mode="sell_all")

    assert stopped.status == "STOPPED"
    closing = final["stop_and_close_all"]
    sale = Trade.objects.filter(book=bot.book).latest("pk")
    assert (plain(sale.quantity), plain(sale.fee)) == (closing["qty"], closing["fee"])
    back = world.total(world.manual, world.instrument.quote_asset) - before
    assert plain(back) == closing["returned_quote"]
    dust = world.total(world.manual, world.instrument.base_asset)
    assert plain(dust) == closing["dust_base"]
    assert world.total(stopped.book, world.instrument.quote_asset) == Decimal(0)
    assert stopped.book.closed_at == world.now
    # The vector counts returned money only; the last figures count the dust at its price as well.
    worth = Decimal(closing["net_pnl"]) + Decimal(closing["dust_base"]) * world.quote.last_price
    assert stopped.final_figures["total_pnl"] == plain(worth)
