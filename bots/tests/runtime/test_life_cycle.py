"""The life of a grid on the database: every act, with money conserved."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bots.domain.enums import BotStatus
from bots.domain.spot_grid_figures import card_words
from bots.domain.strategy import CommandKind
from bots.exceptions import BotNotFound, BotNotReady, InvalidParameter
from bots.models import Bot, BotBand, BotCommand, BotEvent
from bots.selectors import bot_of, bots_for, fills_of, placed_slots, recent_events, timeline
from bots.services import bots as services
from bots.tests.factories import make_world, no_hint
from bots.tests.runtime.ledger_watch import LedgerWatch
from market.domain.enums import OrderStatus
from portfolio.models import Book, LedgerEntry, Order, OrderEvent, Trade
from portfolio.selectors.orders import open_orders_of_book
from portfolio.services.orders import cancel_order

FUNDS = Decimal(1_000_000)


@pytest.fixture
def world(alice, now, real_db):
    """A world whose ledger must add up at the end: money, trades and fees make the deposit."""
    made = make_world(alice, now=now)
    yield made
    assert LedgerWatch().check() == []
    books = Book.objects.filter(venue_account=made.account)
    have = sum((made.total(book, "INR") for book in books), Decimal(0))
    spent = sum(
        (
            (trade.quantity * trade.price) * (1 if trade.side == "BUY" else -1) + trade.fee
            for trade in Trade.objects.filter(venue_account=made.account)
        ),
        Decimal(0),
    )
    assert have + spent == FUNDS


def kinds(bot):
    return [line.kind for line in BotEvent.objects.filter(bot=bot).order_by("pk")]


def statuses(bot):
    lines = BotEvent.objects.filter(bot=bot, kind="status").order_by("pk")
    return [line.data["status"] for line in lines]


# ------------------------------------------------------------------------------ creating, starting


def test_create_stores_a_checked_config_and_moves_nothing(world):
    bot = world.create(name="Mine")

    assert (bot.name, bot.status, bot.book) == ("Mine", "VALIDATED", None)
    assert bot.investment == 50_000
    assert bot.derived["tick_size"] == "0.05"
    assert world.total(world.manual, "INR") == FUNDS
    assert Book.objects.filter(kind="BOT").count() == 0


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"lower": "240.01"}, "lower", "NOT_TICK"),
        ({"upper": "230"}, "upper", None),
        ({"grids": "500"}, "grids", "ABOVE_MAX"),
        ({"investment": "2000000"}, "investment", None),
        ({"investment": "10"}, "investment", "BELOW_MIN"),
        ({"name": "x" * 41}, "name", None),
    ],
)
def test_bad_parameters_are_named_and_nothing_is_written(world, values, field, code):
    with pytest.raises(InvalidParameter) as error:
        world.create(**values)

    assert error.value.field == field
    assert code is None or error.value.code == code
    assert not Bot.objects.exists()
    assert not BotEvent.objects.exists()


def test_another_users_account_is_refused(world, bob):
    with pytest.raises(InvalidParameter) as error:
        services.create_bot(
            bob,
            world.account,
            kind="spot_grid",
            name="Thief",
            values={"symbol": "NSE:ONGC"},
            quote=world.quote,
            now=world.now,
        )
    assert error.value.field == "venue_account"
    assert not Bot.objects.exists()


def test_start_moves_the_investment_and_places_the_ladder(world):
    bot = world.start()

    assert bot.status == "RUNNING"
    assert bot.started_at == world.now
    assert bot.price_run == "REPLAY:simulation"
    assert world.total(world.manual, "INR") == FUNDS - 50_000
    assert open_orders_of_book(bot.book_id).count() == 8
    assert [fill.price for fill in fills_of(bot)] == [262]
    assert statuses(bot) == ["RUNNING"]
    # Numbers ascend by level; sending goes nearest to the market first (decisions 11).
    sent = Order.objects.filter(book=bot.book, origin_slot__regex=r"^\d+$").order_by("pk")
    assert [order.origin_slot for order in sent] == ["4", "3", "6", "2", "7", "1", "8", "0"]
    assert sorted(int(order.slot_ref.rsplit("-", 1)[1]) for order in sent) == list(range(1, 9))


def test_starting_twice_starts_once(world):
    bot = world.create()
    hints = []
    for _ in range(2):
        services.start_bot(world.user, bot.pk, quote=world.quote, now=world.now, hint=hints.append)
    world.settle()

    assert hints == [bot.pk]
    assert Book.objects.filter(kind="BOT").count() == 1
    assert world.total(world.manual, "INR") == FUNDS - 50_000
    assert open_orders_of_book(world.reread(bot).book_id).count() == 8


def test_start_without_enough_money_moves_nothing(world):
    first = world.create(investment="600000")
    second = world.create(investment="600000")
    world.start(first)

    with pytest.raises(InvalidParameter) as error:
        world.start(second)

    assert error.value.field == "investment"
    again = world.reread(second)
    assert (again.status, again.book) == ("VALIDATED", None)
    assert Book.objects.filter(kind="BOT").count() == 1


def test_start_without_a_fresh_price_is_refused(world):
    bot = world.create()
    world.now += world.instrument.freshness_limit * 2

    with pytest.raises(BotNotReady):
        world.start(bot)

    assert world.reread(bot).status == "VALIDATED"


def test_a_draft_can_be_discarded_and_a_started_bot_cannot(world):
    draft, running = world.create(), world.start()

    services.discard_bot(world.user, draft.pk)
    with pytest.raises(BotNotReady):
        services.discard_bot(world.user, running.pk)

    assert list(Bot.objects.values_list("pk", flat=True)) == [running.pk]


# ------------------------------------------------------------------------------ pause, resume, stop


def test_pause_keeps_orders_and_resume_places_what_waited(world):
    bot = world.start()

    paused = world.ask(bot, "pause_bot")
    assert paused.status == "PAUSED"
    assert open_orders_of_book(bot.book_id).count() == 8
    world.tick(259)
    assert open_orders_of_book(bot.book_id).count() == 7
    resumed = world.ask(bot, "resume_bot")

    assert resumed.status == "RUNNING"
    assert open_orders_of_book(bot.book_id).count() == 8
    assert world.state(bot).empty_level == 4


def test_pause_that_cancels_places_everything_again_on_resume(world):
    bot = world.start(pause_mode="cancel_orders")

    world.ask(bot, "pause_bot")
    assert open_orders_of_book(bot.book_id).count() == 0
    world.ask(bot, "resume_bot")

    assert open_orders_of_book(bot.book_id).count() == 8


def test_double_clicks_ask_once(world):
    bot = world.start()
    for _ in range(3):
        services.pause_bot(world.user, bot.pk, now=world.now, hint=no_hint)
    world.settle()
    services.pause_bot(world.user, bot.pk, now=world.now, hint=no_hint)

    assert BotCommand.objects.filter(bot=bot, kind="pause").count() == 1
    assert statuses(bot) == ["RUNNING", "PAUSED"]


def test_acts_that_do_not_fit_are_refused_and_written_nowhere(world):
    bot = world.start()
    # It is running already: resuming and retrying are double clicks.
    for act in (services.resume_bot, services.retry_bot):
        act(world.user, bot.pk, now=world.now, hint=no_hint)
    assert not BotCommand.objects.exists()
    draft = world.create()
    with pytest.raises(BotNotReady):
        services.pause_bot(world.user, draft.pk, now=world.now, hint=no_hint)
    with pytest.raises(InvalidParameter):
        services.stop_bot(world.user, bot.pk, stop_mode="run", now=world.now, hint=no_hint)
    assert not BotCommand.objects.exists()


@pytest.mark.parametrize("mode", ["sell_all", "keep_assets"])
def test_stop_returns_everything_to_manual(world, mode):
    bot = world.start()
    world.tick(259, 254)

    stopped = world.ask(bot, "stop_bot", stop_mode=mode)

    assert stopped.status == "STOPPED"
    assert stopped.stopped_at == stopped.book.closed_at == world.now
    assert open_orders_of_book(bot.book_id).count() == 0
    for asset in ("INR", "NSE:ONGC"):
        assert world.total(bot.book, asset) == 0
    units = world.total(world.manual, "NSE:ONGC")
    assert units == (0 if mode == "sell_all" else 120)
    assert not BotBand.objects.filter(bot=bot).exists()
    assert statuses(bot)[-2:] == ["STOPPING", "STOPPED"]
    assert stopped.final_figures["equity"] == stopped.final_figures["equity"]
    # Nothing wakes it any more, and asking again changes nothing.
    world.tick(250, 262)
    assert world.ask(bot, "stop_bot", stop_mode=mode).step_no == stopped.step_no


def test_stop_of_a_bot_that_never_saw_a_price_returns_its_money(world):
    bot = world.create()
    services.start_bot(world.user, bot.pk, quote=world.quote, now=world.now, hint=no_hint)
    world.now += world.instrument.freshness_limit * 2
    world.settle()
    assert world.reread(bot).status == "STARTING"

    stopped = world.ask(bot, "stop_bot", stop_mode=None)

    assert stopped.status == "STOPPED"
    assert world.total(world.manual, "INR") == FUNDS


def test_a_start_counts_the_orders_that_the_venue_has_answered_for(world):
    bot = world.start()
    orders = Order.objects.filter(book=bot.book_id, status="OPEN").order_by("pk")
    answered = frozenset(orders.values_list("slot_ref", flat=True))
    assert len(answered) == 8
    # Running bots are asked nothing; of a starting one it counts what the state has not heard.
    assert placed_slots([bot]) == frozenset()
    bot.status = "STARTING"
    assert answered < placed_slots([bot])
    state = world.state(bot)
    state.status = BotStatus.STARTING
    for level, rung in state.rungs.items():
        order = replace(rung.order, is_acknowledged=False)
        state.rungs[level] = replace(rung, is_initial=True, order=order)
    config = world.config(bot)
    assert card_words(config, state) == "0 of 8 placed"
    few = sorted(answered)[:3]
    assert card_words(config, state, placed=few) == "3 of 8 placed"
    assert card_words(config, state, placed=placed_slots([bot])) == "8 of 8 placed"


# --------------------------------------------------------------------------------------- triggers


def test_trigger_price_waits_without_orders_then_starts_at_the_tick(world):
    bot = world.start(trigger_price="258")
    assert bot.status == "WAITING_TRIGGER"
    assert open_orders_of_book(bot.book_id).count() == 0

    assert world.tick(261, 260) == []
    world.tick(257)

    running = world.reread(bot)
    assert running.status == "RUNNING"
    assert [fill.price for fill in fills_of(bot)] == [257]
    assert open_orders_of_book(bot.book_id).count() == 8


def test_take_profit_sells_everything(world):
    bot = world.start(take_profit="290")
    world.tick(281, 289)
    assert world.reread(bot).status == "RUNNING"

    world.tick(290)

    stopped = world.reread(bot)
    assert (stopped.status, stopped.status_code) == ("STOPPED", "TAKE_PROFIT")
    assert world.total(world.manual, "NSE:ONGC") == 0


def test_stop_loss_wants_a_second_tick(world):
    bot = world.start(stop_loss="235")
    world.tick(234)
    assert world.reread(bot).status == "RUNNING"
    world.tick(236, seconds=0.5)
    world.tick(234.5)
    assert world.reread(bot).status == "RUNNING"

    world.tick(234.9, seconds=0.5)

    stopped = world.reread(bot)
    assert (stopped.status, stopped.status_code) == ("STOPPED", "STOP_LOSS")
    assert world.total(world.manual, "NSE:ONGC") == 0


def test_out_of_range_is_said_on_the_card(world):
    bot = world.start()
    world.tick(285)
    above = world.reread(bot)
    assert (above.status_code, above.status_message) == (
        "OUT_OF_RANGE_ABOVE",
        "Out of range (above)",
    )
    world.tick(275)
    assert world.reread(bot).status_message == ""


# ----------------------------------------------------------------------------------------- errors


def test_an_order_that_is_refused_puts_the_bot_in_error_and_retry_goes_on(world):
    bot = world.start()
    Book.objects.filter(pk=bot.book_id).update(trading_state=Book.TradingState.HALTED)
    world.tick(259)
    failed = world.reread(bot)
    assert failed.status == "ERROR"
    assert failed.status_code
    assert failed.status_message
    assert open_orders_of_book(bot.book_id).count() == 7

    Book.objects.filter(pk=bot.book_id).update(trading_state=Book.TradingState.ACTIVE)
    retried = world.ask(bot, "retry_bot")

    assert retried.status == "RUNNING"
    assert open_orders_of_book(bot.book_id).count() == 8


def test_an_order_cancelled_by_hand_comes_back(world):
    bot = world.start()
    order = Order.objects.get(book=bot.book, origin_slot="4")
    cancel_order(world.user, order.pk, now=world.now, enqueue=lambda: None)
    world.settle()

    again = Order.objects.filter(book=bot.book, origin_slot="4", status=OrderStatus.OPEN).get()
    assert again.pk != order.pk
    assert again.quantity == order.quantity


# ------------------------------------------------------------------------------------ money in, out


def test_add_investment_computes_the_ladder_anew(world):
    bot = world.start()
    before = world.state(bot).quantity

    richer = world.ask(bot, "add_investment", amount=Decimal(50_000))

    assert richer.status == "RUNNING"
    assert richer.investment == 100_000
    assert world.total(world.manual, "INR") == FUNDS - 100_000
    assert world.state(bot).quantity == 2 * before
    assert open_orders_of_book(bot.book_id).count() == 8


def test_more_money_than_there_is_cannot_be_added(world):
    bot = world.start()
    with pytest.raises(InvalidParameter) as error:
        world.ask(bot, "add_investment", amount=Decimal(2_000_000))
    assert (error.value.field, error.value.maximum) == ("amount", "950000")
    with pytest.raises(InvalidParameter):
        world.ask(bot, "add_investment", amount=Decimal(0))

    # Two requests that each fit: the one that comes second is refused by the step.
    services.add_investment(
        world.user, bot.pk, amount=Decimal(900_000), now=world.now, hint=no_hint
    )
    world.start(investment="100000")

    waiting = BotCommand.objects.get(kind=CommandKind.ADD_INVESTMENT)
    assert waiting.handled_at is not None
    assert waiting.refusal == "Rs. 9,00,000.00 needed, Rs. 8,50,000.00 available"
    assert world.reread(bot).investment == 50_000


def test_withdraw_pays_grid_profit_out_and_keeps_the_total(world):
    bot = world.start()
    world.tick(254, 263, 254, 263)
    profit = world.reread(bot).grid_profit
    assert profit > 0
    before = world.total(world.manual, "INR")

    paid = world.ask(bot, "withdraw_profit", amount=Decimal(100))

    assert paid.withdrawn == 100
    assert paid.grid_profit == profit
    assert world.total(world.manual, "INR") == before + 100
    rest = world.ask(bot, "withdraw_profit", amount=None)
    assert world.total(world.manual, "INR") == before + rest.withdrawn
    assert rest.withdrawn <= profit


def test_more_profit_than_can_be_released_is_refused_before_it_is_asked(world):
    bot = world.start()
    with pytest.raises(InvalidParameter, match="No grid profit can be released now") as error:
        world.ask(bot, "withdraw_profit", amount=None)
    assert (error.value.field, error.value.code) == ("amount", "ABOVE_MAX")
    assert error.value.maximum == "0"

    world.tick(254, 263, 254, 263)
    with pytest.raises(InvalidParameter, match="can be released now") as error:
        world.ask(bot, "withdraw_profit", amount=Decimal(1_000_000))
    most = Decimal(error.value.maximum)
    assert 0 < most <= world.reread(bot).grid_profit
    assert not BotCommand.objects.exists()
    assert world.ask(bot, "withdraw_profit", amount=most).withdrawn == most


def test_reinvest_grows_the_quantity_after_a_day(world):
    bot = world.start(reinvest="true")
    quantity = world.state(bot).quantity
    for _ in range(8):
        world.tick(239.9, 280.1, seconds=30)
    world.tick(262, seconds=90_000)

    assert world.state(bot).quantity > quantity
    assert "reinvested" in kinds(bot)


# -------------------------------------------------------------------------------------- who sees it


def test_bots_of_others_do_not_exist(world, bob):
    bot = world.start()

    assert list(bots_for(bob)) == []
    assert recent_events(bob) == []
    with pytest.raises(BotNotFound):
        bot_of(bob, bot.pk)
    acts = (
        lambda: services.pause_bot(bob, bot.pk, now=world.now, hint=no_hint),
        lambda: services.stop_bot(bob, bot.pk, stop_mode=None, now=world.now, hint=no_hint),
        lambda: services.start_bot(bob, bot.pk, quote=world.quote, now=world.now, hint=no_hint),
        lambda: services.discard_bot(bob, bot.pk),
        lambda: services.resume_bot(bob, bot.pk, now=world.now, hint=no_hint),
        lambda: services.add_investment(
            bob, bot.pk, amount=Decimal(1), now=world.now, hint=no_hint
        ),
    )
    for act in acts:
        with pytest.raises(BotNotFound):
            act()
    assert not BotCommand.objects.exists()
    assert world.reread(bot).status == "RUNNING"


def test_the_timeline_tells_the_story(world):
    bot = world.start()
    world.tick(259, 266)
    world.ask(bot, "stop_bot", stop_mode=None)

    told = [line.kind for line in reversed(timeline(bot))]
    assert told[:2] == ["created", "start"]
    assert "pair" in told
    assert told[-1] == "status"
    assert recent_events(world.user, limit=1)[0].bot == bot
    assert OrderEvent.objects.filter(book=bot.book).exists()
    assert LedgerEntry.objects.filter(account__book=bot.book).exists()
