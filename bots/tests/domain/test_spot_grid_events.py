"""What a Spot Grid does on every event (bots.md 1.4-1.6, 2.4), computed by hand."""

from datetime import timedelta
from decimal import ROUND_HALF_UP

import pytest

from bots.domain.enums import BotStatus, StopMode
from bots.domain.spot_grid_figures import card_words, figures_of, preview_stop
from bots.domain.spot_grid_ticks import ANY_PRICE
from bots.domain.strategy import (
    ChangeStatus,
    Command,
    CommandKind,
    EndKind,
    OrderFilled,
    Reconciled,
    Start,
    TimePassed,
)
from bots.tests.domain.grids import (
    GRID,
    ONGC,
    SOL,
    T0,
    D,
    Hand,
    cancelled,
    config_of,
    ladder,
    moved,
    notes,
    placed,
    reloaded,
)
from market.domain.enums import OrderType, Side, TimeInForce

START = Start(time=T0, price=D(262))


def running(**parameters):
    hand = Hand(config_of(**parameters))
    hand.start()
    assert hand.state.status is BotStatus.RUNNING
    return hand


def status_of(hand):
    return hand.state.status


def statuses(intents):
    return [(e.status, e.code, e.message) for e in intents if isinstance(e, ChangeStatus)]


def ref_at(hand, level):
    return hand.state.rungs[level].order.ref


# ---------------------------------------------------------------------------------------- start


def test_start_buys_the_initial_units_with_a_capped_ioc_order():
    hand = Hand(config_of())
    (order,) = placed(hand.feed(START))
    assert (order.slot_ref, order.slot, order.side) == ("b7-init-B-1", "init", Side.BUY)
    assert (order.order_type, order.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)
    assert (order.quantity, order.price) == (D(72), D("263.30"))  # 262 x 1.005 = 263.31
    assert hand.state.status is BotStatus.STARTING
    assert card_words(hand.config, hand.state) == "Buying the initial units"


def test_ladder_is_numbered_from_the_lowest_and_sent_nearest_first():
    hand = Hand(config_of())
    hand.feed(START)
    orders = placed(hand.fill("b7-init-B-1", "72", price="262", fee="9.432"))
    assert [order.slot_ref for order in orders] == [
        "b7-0-B-1", "b7-1-B-2", "b7-2-B-3", "b7-3-B-4", "b7-4-B-5",
        "b7-6-S-6", "b7-7-S-7", "b7-8-S-8",
    ]  # fmt: skip
    by_rank = [order.slot for order in sorted(orders, key=lambda order: order.rank)]
    assert by_rank == ["4", "3", "6", "2", "7", "1", "8", "0"]  # 260 255 270 250 275 245 280 240


def test_running_only_when_every_initial_order_is_acknowledged():
    hand = Hand(config_of())
    hand.feed(START)
    hand.fill("b7-init-B-1", "72", price="262")
    refs = list(hand.open)[1:]
    hand.accept(*refs[:-1])
    assert hand.state.status is BotStatus.STARTING
    assert card_words(hand.config, hand.state) == "7 of 8 placed"
    assert statuses(hand.accept(refs[-1])) == [(BotStatus.RUNNING, "", "")]
    assert hand.state.started_at == T0


def test_initial_order_filled_at_several_prices_keeps_the_planned_ladder():
    hand = Hand(config_of())
    hand.feed(START)
    hand.fill("b7-init-B-1", "40", price="262", trade_ref="a")
    orders = placed(hand.fill("b7-init-B-1", "32", price="263.20", cumulative="72", trade_ref="b"))
    assert {order.quantity for order in orders} == {D(24)}
    assert hand.state.cash == D(50000) - 40 * 262 - 32 * D("263.20")


def test_incomplete_initial_order_is_tried_three_times_then_reported():
    hand = Hand(config_of())
    hand.feed(START)
    hand.fill("b7-init-B-1", "30", price="262", fee="3.93")
    assert placed(hand.end("b7-init-B-1", cumulative="30")) == []
    assert GRID.next_due(hand.config, hand.state) == T0 + timedelta(seconds=1)
    (band,) = GRID.bands(hand.config, hand.state)
    assert band.wake_below == ANY_PRICE
    hand.state = reloaded(hand.state)
    (second,) = placed(hand.feed(TimePassed(time=T0 + timedelta(seconds=1), price=D(264))))
    assert (second.slot_ref, second.quantity, second.price) == ("b7-init-B-2", D(42), D("263.30"))
    hand.end("b7-init-B-2")
    (third,) = placed(hand.feed(TimePassed(time=T0 + timedelta(seconds=2), price=D(264))))
    told = statuses(hand.end(third.slot_ref))
    assert told == [
        (BotStatus.ERROR, "START_INCOMPLETE", "Bought 30 of 72 after 3 tries; holding 30 NSE:ONGC")
    ]


def incomplete():
    hand = Hand(config_of())
    hand.feed(START)
    hand.fill("b7-init-B-1", "30", price="262", fee="3.93")
    hand.end("b7-init-B-1", EndKind.REJECTED, cumulative="30", code="RMS", message="Blocked")
    return hand


def test_refused_initial_order_shows_the_venues_words():
    hand = incomplete()
    assert statuses(hand.seen)[-1] == (
        BotStatus.ERROR,
        "START_INCOMPLETE",
        "Blocked (Bought 30 of 72); holding 30 NSE:ONGC",
    )


def test_retry_of_a_start_counts_what_was_bought():
    hand = incomplete()
    (order,) = placed(hand.feed(Command(CommandKind.RETRY, time=T0, price=D(262))))
    assert (hand.state.status, order.quantity) == (BotStatus.STARTING, D(42))
    orders = placed(hand.fill(order.slot_ref, "42", price="262"))
    assert len(orders) == 8
    hand.accept(*[each.slot_ref for each in orders])
    assert hand.state.status is BotStatus.RUNNING


def test_stop_of_a_failed_start_sells_what_was_bought():
    hand = incomplete()
    (order,) = placed(hand.feed(Command(CommandKind.STOP, time=T0, price=D(262))))
    assert (order.slot, order.side, order.quantity) == ("close", Side.SELL, D(30))
    assert (order.order_type, order.price, order.worst_price) == (
        OrderType.MARKET,
        None,
        D("248.90"),
    )
    hand.fill(order.slot_ref, "30", price="262")
    assert hand.state.status is BotStatus.STOPPED


def test_refused_rung_undoes_a_start():
    hand = Hand(config_of())
    hand.feed(START)
    hand.fill("b7-init-B-1", "72", price="262")
    intents = hand.end("b7-3-B-4", EndKind.DENIED, code="R4_PRICE_BAND", message="Outside the band")
    assert len(cancelled(intents)) == 7
    assert statuses(intents) == [
        (BotStatus.ERROR, "START_INCOMPLETE", "Outside the band; holding 72 NSE:ONGC")
    ]


def test_start_above_the_range_buys_nothing():
    hand = Hand(config_of(price="300"))
    hand.start("300")
    assert ladder(hand) == [(level, "BUY", D(24)) for level in range(8)]  # 49,500 / 2,060
    assert (hand.state.base, hand.state.empty_level) == (D(0), 8)


def test_start_below_the_range_buys_every_rung():
    hand = Hand(config_of(price="230"))
    hand.start("230")
    assert hand.state.base == 8 * D(26)  # 49,500 / (8 x 230) = 26.9
    assert hand.state.empty_level == 0
    assert [row[1] for row in ladder(hand)] == ["SELL"] * 8


# -------------------------------------------------------------------------------------- trigger


def test_trigger_waits_and_plans_at_the_firing_price():
    hand = Hand(config_of(trigger_price="255"))
    intents = hand.start("262")
    assert statuses(intents) == [(BotStatus.WAITING_TRIGGER, "TRIGGER", "Waiting for 255")]
    assert placed(intents) == []
    assert hand.state.cash == 50000
    (band,) = GRID.bands(hand.config, hand.state)
    assert (band.wake_below, band.wake_above) == (D(255), None)
    hand.tick("256")
    assert status_of(hand) is BotStatus.WAITING_TRIGGER
    hand.tick("254.50")
    # Empty level 3 (255); D = 240 + 245 + 250 + 5 x 254.50 = 2007.5; q = floor(49500 / D) = 24.
    assert (hand.state.start_price, hand.state.empty_level) == (D("254.50"), 3)
    assert (hand.state.quantity, hand.state.base) == (D(24), D(120))
    assert status_of(hand) is BotStatus.RUNNING


def test_rising_trigger_and_stop_while_waiting():
    hand = Hand(config_of(trigger_price="270"))
    hand.start("262")
    hand.tick("269.95")
    assert hand.state.status is BotStatus.WAITING_TRIGGER
    assert statuses(hand.command("stop"))[-1][0] is BotStatus.STOPPED
    assert hand.state.cash == 50000


def test_trigger_already_reached_when_started_fires_at_once():
    hand = Hand(config_of(trigger_price="255"))
    hand.start("254")
    assert hand.state.status is BotStatus.RUNNING


# ------------------------------------------------------------------------------- fills and pairs


def test_partial_fills_are_booked_at_once_and_followed_when_complete():
    hand = running()
    ref = ref_at(hand, 4)
    cash = hand.state.cash
    assert placed(hand.fill(ref, "10", price="260", trade_ref="a", fee="1.3")) == []
    assert (hand.state.base, hand.state.cash) == (D(82), cash - 2600 - D("1.3"))
    assert hand.state.empty_level == 5
    (order,) = placed(hand.fill(ref, "14", price="260", cumulative="24", trade_ref="b", fee="1.82"))
    assert (order.slot, order.side, order.quantity, order.price) == ("5", Side.SELL, D(24), D(265))
    assert hand.state.empty_level == 4


def test_money_comes_from_executions_not_from_levels():
    hand = running()
    cash = hand.state.cash
    hand.fill(ref_at(hand, 4), "24", price="258.50", fee="3.102")
    assert hand.state.cash == cash - 24 * D("258.50") - D("3.102")
    pair = hand.fill(ref_at(hand, 5), "24", price="265.10", fee="3.1812")
    assert hand.state.grid_profit == 24 * (D("265.10") - D("258.50")) - D("3.102") - D("3.1812")
    (note,) = notes(pair, "pair")
    assert note.data["pair_with"] == "b7-4-B-5"
    assert note.message == "Pair 260 to 265 made 152.1168"


def test_selling_initial_units_is_no_pair():
    hand = running()
    hand.tick("270")
    assert (hand.state.pairs, hand.state.grid_profit) == (0, 0)
    assert hand.state.empty_level == 6


def test_counter_order_waits_for_its_slot():
    hand = running()
    five, six = ref_at(hand, 6), ref_at(hand, 7)
    first = hand.fill(six, "24", price="275")
    assert placed(first) == []
    assert [note.data["level"] for note in notes(first, "parked")] == ["6"]
    assert GRID.next_due(hand.config, hand.state) == T0 + timedelta(seconds=2)
    asked = hand.feed(TimePassed(time=T0 + timedelta(seconds=2), price=D(275)))
    assert [note.data["slot_ref"] for note in notes(asked, "order_query")] == [five]
    assert GRID.next_due(hand.config, hand.state) is None
    orders = placed(hand.fill(five, "24", price="270"))
    assert [(order.slot, order.side) for order in orders] == [("5", Side.BUY), ("6", Side.BUY)]
    assert hand.state.empty_level == 7


# ------------------------------------------------------------------------------------- bad ends


def test_venue_cancel_places_the_remainder_again():
    hand = running()
    ref = ref_at(hand, 4)
    hand.fill(ref, "10", price="260", trade_ref="a")
    (order,) = placed(hand.end(ref, cumulative="10"))
    assert (order.slot_ref, order.quantity) == ("b7-4-B-9", D(14))


def test_end_report_overtaking_its_trade_waits_for_it():
    hand = running()
    ref = ref_at(hand, 4)
    assert hand.end(ref, cumulative="10") == []
    (order,) = placed(hand.fill(ref, "10", price="260", trade_ref="a"))
    assert order.quantity == 14
    assert hand.state.base == 82


def test_remainder_too_small_completes_and_joins_the_next_cycle():
    hand = Hand(config_of(ONGC | {"min_qty": "5"}))
    hand.start()
    ref = ref_at(hand, 4)
    hand.fill(ref, "21", price="260", trade_ref="a")
    (sell,) = placed(hand.end(ref, cumulative="21"))
    assert (sell.slot, sell.side, sell.quantity) == ("5", Side.SELL, D(21))
    (buy,) = placed(hand.fill(sell.slot_ref, "21", price="265"))
    assert (buy.slot, buy.quantity) == ("4", D(27))  # 24 and the 3 left over
    assert hand.state.pairs == 1


def test_expired_order_is_placed_again_at_the_next_tick():
    hand = running()
    ref = ref_at(hand, 4)
    assert placed(hand.end(ref, EndKind.EXPIRED)) == []
    (band,) = GRID.bands(hand.config, hand.state)
    assert band.wake_below == ANY_PRICE
    (order,) = placed(hand.tick("262"))
    assert (order.slot, order.price) == ("4", D(260))


def test_order_not_at_the_venue_is_placed_under_a_new_id_and_a_late_accept_is_cancelled():
    hand = running()
    ref = ref_at(hand, 4)
    (order,) = placed(hand.end(ref, EndKind.NOT_AT_VENUE))
    assert (order.slot_ref, order.price) == ("b7-4-B-9", D(260))
    assert cancelled(hand.accept(ref)) == [ref]
    base = hand.state.base
    late = hand.fill(ref, "24", price="260", trade_ref="x")
    assert hand.state.base == base + 24
    assert notes(late, "late_fill")
    assert notes(hand.fill(ref, "24", price="260", trade_ref="x"), "ignored_duplicate")
    assert hand.state.base == base + 24


def test_final_reject_shows_the_venues_words_and_leaves_the_others():
    hand = running()
    ref = ref_at(hand, 4)
    intents = hand.end(ref, EndKind.REJECTED, code="RMS:MARGIN", message="Insufficient funds")
    assert statuses(intents) == [(BotStatus.ERROR, "RMS:MARGIN", "Insufficient funds")]
    assert cancelled(intents) == []
    assert len(ladder(hand)) == 7
    # A fill in ERROR is booked, its counter-order waits.
    assert placed(hand.fill(ref_at(hand, 6), "24", price="270")) == []
    orders = placed(hand.feed(Command(CommandKind.RETRY, time=T0, price=D(270))))
    assert hand.state.status is BotStatus.RUNNING
    assert [order.slot for order in orders] == ["4", "5"]


# ------------------------------------------------------------------------------- pause and resume


def test_pause_with_cancel_orders_places_the_ladder_again_on_resume():
    hand = running(pause_mode="cancel_orders")
    intents = hand.command("pause")
    assert len(cancelled(intents)) == 8
    assert (hand.state.status, hand.open) == (BotStatus.PAUSED, {})
    assert placed(hand.tick("250")) == []
    orders = placed(hand.command("resume"))
    assert [order.slot for order in orders] == ["0", "1", "2", "3", "4", "6", "7", "8"]
    assert hand.state.held_base == 72


def test_order_cancelled_for_a_pause_keeps_what_was_executed():
    hand = Hand(config_of(pause_mode="cancel_orders"))
    hand.start()
    hand.fill(ref_at(hand, 4), "10", price="260", trade_ref="a")
    hand.command("pause")
    (order,) = [each for each in placed(hand.command("resume")) if each.slot == "4"]
    assert order.quantity == 14


@pytest.mark.parametrize("kind", ["resume", "retry"])
def test_commands_that_do_not_fit_are_refused_in_words(kind):
    hand = running()
    (note,) = notes(hand.command(kind), "refused")
    assert note.data == {"command": kind}
    assert note.message.startswith("Only a ")


# ---------------------------------------------------------------------------------------- stops


def test_stop_loss_needs_two_ticks():
    hand = running(stop_loss="235")
    hand.tick("234")
    assert hand.state.status is BotStatus.RUNNING
    assert GRID.bands(hand.config, hand.state)[0].wake_below == ANY_PRICE
    hand.tick("236", seconds=0.5)
    hand.tick("235", seconds=0.5)
    assert hand.state.status is BotStatus.RUNNING
    intents = hand.tick("233.50", seconds=0.5)
    assert statuses(intents)[0] == (
        BotStatus.STOPPING,
        "STOP_LOSS",
        "Stop loss 235 reached at 233.5",
    )
    # 72 + 5 x 24 units, all sold at this tick's price.
    (close,) = [each for each in placed(intents) if each.slot == "close"]
    assert (close.side, close.quantity) == (Side.SELL, D(192))
    assert statuses(intents)[-1] == (BotStatus.STOPPED, "STOP_LOSS", "")
    spent = 72 * 262 + 24 * (260 + 255 + 250 + 245 + 240)
    fees = (D(spent) + 192 * D("233.50")) * D("0.0005")
    assert hand.state.cash == 50000 - spent + 192 * D("233.50") - fees


def test_stop_loss_fires_after_one_second_without_a_tick():
    hand = running(stop_loss="235")
    hand.tick("234")
    due = GRID.next_due(hand.config, hand.state)
    assert due == hand.now + timedelta(seconds=1)
    hand.now = due
    hand.run(TimePassed(time=due, price=D(234)))
    assert hand.state.status is BotStatus.STOPPED


def test_take_profit_fires_at_once_and_leaves_nothing():
    hand = running(take_profit="290")
    intents = hand.tick("290")
    assert statuses(intents)[0][:2] == (BotStatus.STOPPING, "TAKE_PROFIT")
    assert (hand.state.status, hand.state.base) == (BotStatus.STOPPED, 0)


def test_maximum_loss_is_a_stop_as_well():
    hand = running(max_loss="1000")
    # 192 units at the bottom: 192 p - 48,...: the band is where the loss is 1,000.
    hand.tick("240")
    state = hand.state
    (band,) = GRID.bands(hand.config, state)
    if state.loss_since is None:
        assert state.cash + state.base * band.wake_below <= 49000
    hand.tick("240", seconds=0.1)
    hand.tick("240", seconds=0.1)
    assert hand.state.stop_reason == "MAX_LOSS"
    assert hand.state.status is BotStatus.STOPPED


def test_end_time_stops_with_the_chosen_mode():
    end = T0 + timedelta(hours=1)
    hand = running(run_until=end.isoformat(), stop_mode="keep_assets")
    assert GRID.next_due(hand.config, hand.state) == end
    hand.now = end
    intents = hand.run(TimePassed(time=end, price=D(262)))
    assert statuses(intents)[0][:2] == (BotStatus.STOPPING, "RUN_UNTIL")
    assert (hand.state.status, hand.state.base) == (BotStatus.STOPPED, 72)


def test_stop_waits_for_every_end_and_books_fills_meanwhile():
    hand = Hand(config_of())
    hand.start()
    refs = {level: ref_at(hand, level) for level in hand.state.rungs}
    intents = hand.feed(Command(CommandKind.STOP, time=T0, price=D(262)))
    assert sorted(cancelled(intents)) == sorted(refs.values())
    assert hand.feed(Command(CommandKind.STOP, time=T0, price=D(262))) == []
    assert GRID.next_due(hand.config, hand.state) == T0 + timedelta(seconds=10)
    assert placed(hand.fill(refs.pop(4), "24", price="260")) == []
    assert hand.state.base == 96
    closing = []
    for ref in refs.values():
        assert hand.state.status is BotStatus.STOPPING
        closing += hand.end(ref)
    (close,) = placed(closing)
    assert (close.slot_ref, close.quantity) == ("b7-close-S-2", D(96))
    hand.fill(close.slot_ref, "96", price="262")
    assert hand.state.status is BotStatus.STOPPED


def test_unanswered_cancels_are_asked_for_after_ten_seconds():
    hand = Hand(config_of())
    hand.start()
    hand.feed(Command(CommandKind.STOP, time=T0, price=D(262)))
    asked = hand.feed(TimePassed(time=T0 + timedelta(seconds=10), price=D(262)))
    assert len(notes(asked, "order_query")) == 8
    assert GRID.next_due(hand.config, hand.state) is None


def test_closing_sale_goes_on_while_it_makes_progress_then_asks_a_person():
    hand = Hand(config_of(stop_mode="sell_all"))
    hand.start()
    refs = [ref_at(hand, level) for level in hand.state.rungs]
    hand.feed(Command(CommandKind.STOP, time=T0, price=D(262)))
    intents = [intent for ref in refs for intent in hand.end(ref)]
    (close,) = placed(intents)
    hand.fill(close.slot_ref, "20", price="261", trade_ref="a")
    hand.end(close.slot_ref, cumulative="20")
    hand.now += timedelta(seconds=1)
    for number in (3, 4, 5):
        (again,) = placed(hand.feed(TimePassed(time=hand.now, price=D(260))))
        assert (again.slot_ref, again.quantity) == (f"b7-close-S-{number}", D(52))
        intents = hand.end(again.slot_ref)
        if hand.state.status is BotStatus.ERROR:
            break
    assert statuses(intents) == [
        (BotStatus.ERROR, "CLOSE_INCOMPLETE", "Sold 20 of 72 after 3 tries")
    ]
    (again,) = placed(hand.feed(Command(CommandKind.RETRY, time=T0, price=D(259))))
    assert again.quantity == 52
    hand.fill(again.slot_ref, "52", price="259")
    assert hand.state.status is BotStatus.STOPPED


def test_stop_keeps_dust_that_cannot_be_sold():
    hand = Hand(config_of(SOL, price="125"))
    hand.start("125")
    hand.tick("120")
    expected = preview_stop(hand.config, hand.state, price=D(120))
    hand.command("stop")
    assert hand.state.status is BotStatus.STOPPED
    assert hand.state.base == expected.dust_base == D("4.900095") - D("4.9")
    assert hand.state.cash == expected.returned_quote


# ------------------------------------------------------------------- money in, money out, reinvest


def test_add_investment_computes_the_ladder_anew():
    hand = running()
    hand.tick("259")  # buys at 260: empty level 4, 96 units
    intents = hand.command("add_investment", price="259", amount=D(20000))
    assert moved(intents) == [D(20000)]
    # I + extra = 70,000, but worth only 44,883.448 + 96 x 259 = 69,747.448; levels as before,
    # empty 4 (260), D = 240 + 245 + 250 + 255 + 4 x 259 = 2026,
    # q = floor(69,747.448 x 0.99 / 2026) = floor(34.08) = 34; buys 4 x 34 - 96 = 40.
    (deal,) = [each for each in placed(intents) if each.slot == "init"]
    assert (deal.side, deal.quantity, deal.price) == (Side.BUY, D(40), D("260.25"))
    assert len(cancelled(intents)) == 8
    assert ladder(hand) == [(i, "BUY", D(34)) for i in range(4)] + [
        (i, "SELL", D(34)) for i in range(5, 9)
    ]
    assert hand.state.status is BotStatus.RUNNING
    assert (hand.state.investment, hand.state.base) == (D(70000), D(136))
    figures = figures_of(hand.config, hand.state, price=D(259))
    assert figures.total_pnl == figures.equity - 70000


def test_add_investment_at_a_higher_price_sells_the_difference():
    hand = running()
    hand.last = D(279)
    intents = hand.command("add_investment", price="279", amount=D(2500))
    # Worth 31,126.568 + 2,500 + 72 x 279 = 53,714.568 > 52,500; empty level 8 (280):
    # D = 240 + ... + 275 = 2060; q = floor(52,500 x 0.99 / 2060) = 25; no sells: 72 are sold.
    (deal,) = [each for each in placed(intents) if each.slot == "init"]
    assert (deal.side, deal.quantity, deal.price) == (Side.SELL, D(72), D("277.65"))
    assert (hand.state.base, hand.state.quantity) == (0, 25)
    assert len(hand.open) == 8


def profitable(**parameters):
    """A grid that went up and down between 250 and 265 twenty times."""
    hand = running(**parameters)
    for _ in range(20):
        for price in ("250", "265"):
            hand.tick(price)
    return hand


def test_withdraw_pays_out_at_most_what_is_releasable():
    hand = profitable()
    state = hand.state
    # 20 x (113.94 + 113.82 + 113.7) = 6,829.2: all three pairs each time.
    assert (state.grid_profit, state.pairs) == (D("6829.2"), 60)
    buys = 24 * D(240 + 245 + 250 + 255 + 260)
    sells = 24 * D(270 + 275 + 280)
    by_orders = state.cash - buys * D("1.0005") - D("0.0005") * sells
    releasable = figures_of(hand.config, state, price=D(265)).releasable
    assert releasable == min(D("6829.2"), by_orders)
    intents = hand.command("withdraw_profit", amount=D(1000))
    assert moved(intents) == [D(-1000)]
    before = figures_of(hand.config, hand.state, price=D(265))
    assert before.releasable == min(D("5829.2"), by_orders - 1000)
    assert before.total_pnl == before.equity - 50000 + 1000
    assert moved(hand.command("withdraw_profit", amount=D(999999))) == [-before.releasable]
    assert notes(hand.command("withdraw_profit"), "refused")
    assert figures_of(hand.config, hand.state, price=D(265)).total_pnl == before.total_pnl


def test_reinvest_grows_the_quantity_once_a_day():
    hand = profitable(reinvest=True)
    assert hand.state.quantity == 24
    due = GRID.next_due(hand.config, hand.state)
    assert due == T0 + timedelta(hours=24)
    hand.now = due
    # D at 265, empty 5: 1250 + 3 x 265 = 2045; releasable 6,829.2 -> 3 lots.
    (note,) = notes(hand.run(TimePassed(time=due, price=D(265))), "reinvested")
    assert note.data == {"growth": "3", "quantity": "27"}
    assert (hand.state.investment, hand.state.withdrawn) == (50000, 0)
    assert GRID.next_due(hand.config, hand.state) == due + timedelta(hours=24)
    # Orders grow with their next cycle, and what they will need is no longer releasable.
    assert {row[2] for row in ladder(hand)} == {D(24)}
    left = figures_of(hand.config, hand.state, price=D(265)).releasable
    needed = (27 * 1250 + 3 * (265 + 270 + 275)) * D("1.0005") + 24 * 825 * D("0.0005")
    assert left == hand.state.cash - needed
    hand.tick("270")
    assert (5, "BUY", D(27)) in ladder(hand)


def test_reinvest_does_nothing_with_too_little_profit():
    hand = running(reinvest=True)
    hand.now = T0 + timedelta(hours=24)
    assert hand.run(TimePassed(time=hand.now, price=D(262))) == []
    assert hand.state.quantity == 24


# --------------------------------------------------------------------------------- out of range


def test_card_says_when_the_price_leaves_the_range():
    hand = running()
    above = statuses(hand.tick("280.05"))
    assert above == [(BotStatus.RUNNING, "OUT_OF_RANGE_ABOVE", "Out of range (above)")]
    assert (hand.state.empty_level, hand.state.base) == (8, 0)
    assert card_words(hand.config, hand.state) == "Out of range (above)"
    assert GRID.bands(hand.config, hand.state)[0].wake_below == 280
    assert statuses(hand.tick("280")) == [(BotStatus.RUNNING, "", "")]
    below = statuses(hand.tick("239"))
    assert below == [(BotStatus.RUNNING, "OUT_OF_RANGE_BELOW", "Out of range (below)")]
    assert hand.state.empty_level == 0
    assert GRID.bands(hand.config, hand.state)[0].wake_above == 240


# ----------------------------------------------------------------------------------- restarting


def test_restart_cancels_orphans_and_repeats_lost_cancels():
    hand = running(pause_mode="cancel_orders")
    refs = frozenset(hand.open)
    hand.feed(Command(CommandKind.PAUSE, time=T0, price=D(262)))
    intents = hand.feed(Reconciled(refs | {"b7-9-X-99"}, {}, T0))
    orphans = [each.slot_ref for each in intents if getattr(each, "is_orphan", False)]
    assert orphans == ["b7-9-X-99"]
    assert sorted(cancelled(intents)) == sorted([*refs, "b7-9-X-99"])


def test_annual_rates_appear_after_a_day():
    hand = profitable()
    early = figures_of(hand.config, hand.state, price=D(265), now=T0 + timedelta(hours=23))
    assert (early.grid_apr_pct, early.total_apr_pct) == (None, None)
    later = figures_of(hand.config, hand.state, price=D(265), now=T0 + timedelta(days=5))
    rate = D("6829.2") / 50000 * 365 / 5 * 100
    assert later.grid_apr_pct is not None
    assert later.grid_apr_pct.quantize(D("1e-9"), ROUND_HALF_UP) == rate.quantize(D("1e-9"))


def test_stop_mode_of_the_command_wins():
    hand = running(stop_mode="sell_all")
    hand.command("stop", stop_mode=StopMode.KEEP_ASSETS)
    assert (hand.state.status, hand.state.base) == (BotStatus.STOPPED, 72)


def test_restart_books_only_what_was_not_counted_yet():
    hand = running()
    ref = ref_at(hand, 4)
    cash = hand.state.cash
    hand.fill(ref, "10", price="260", trade_ref="a", fee="1.3")
    whole = OrderFilled(ref, D(24), D(260), D("3.12"), "INR", D(24), True, T0)
    (order,) = placed(hand.feed(Reconciled(frozenset(hand.open) - {ref}, {ref: whole}, T0)))
    assert (order.slot, order.side, order.quantity) == ("5", Side.SELL, D(24))
    assert (hand.state.cash, hand.state.base) == (cash - 24 * 260 - D("3.12"), D(96))
    again = hand.feed(Reconciled(frozenset(), {ref: whole}, T0))
    assert placed(again) == []
    assert hand.state.base == 96


def test_resting_buys_bind_money_at_the_dearer_rate():
    hand = Hand(config_of(ONGC | {"taker_fee": "0.002"}))
    hand.start()
    assert hand.state.held_cash == 24 * D(240 + 245 + 250 + 255 + 260) * D("1.002")
    received = Hand(config_of(SOL, price="125"))
    received.start("125")
    assert received.state.held_cash == D("1.635") * (100 + 110 + 121)
