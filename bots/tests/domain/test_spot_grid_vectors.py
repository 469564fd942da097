"""The golden vectors, number for number."""

import json
from datetime import timedelta

import pytest

from bots.domain.backtest import path_of_prices
from bots.domain.backtest_inputs import PATH_START, read_inputs
from bots.domain.backtest_report import backtest, report_of
from bots.domain.enums import BotStatus
from bots.domain.spot_grid_config import plain
from bots.domain.spot_grid_deals import build_ladder
from bots.domain.spot_grid_plan import denominator_of, empty_at, plan_grid
from bots.domain.spot_grid_turn import Turn
from bots.domain.strategy import (
    CancelOrder,
    Command,
    CommandKind,
    EndKind,
    Note,
    OrderEnded,
    OrderFilled,
    PlaceOrder,
    Reconciled,
)
from bots.tests.domain.grids import GRID, ONGC, T0, D, Hand, config_of, context_of, placed, vector


@pytest.mark.parametrize("name", ["spot_grid_arithmetic", "spot_grid_geometric"])
@pytest.mark.parametrize("is_jumping", [True, False])
def test_backtest_reproduces_vector_after_every_tick(name, is_jumping):
    expected = vector(name)
    inputs = read_inputs(expected["inputs"])
    prices = [D(price) for price in expected["path"]]
    config = GRID.parse(inputs.parameters, context=inputs.context(price=prices[0]))
    step = timedelta(seconds=inputs.tick_seconds)
    times = [PATH_START + step * number for number in range(len(prices))]
    path = path_of_prices(prices, times, tick_size=inputs.spec.tick_size)

    report = report_of(backtest(config, path, is_jumping=is_jumping))

    for key in (
        "derived",
        "open_orders_after_start",
        "fills",
        "after_tick",
        "open_orders_at_end",
    ):
        assert report[key] == expected[key], key
    final = {key: report["final"][key] for key in expected["final"]}
    assert final == expected["final"]
    assert json.loads(json.dumps(report)) == report


# ------------------------------------------------------------------------- spot_grid_events.json


def events_hand():
    """The grid of the vector: a running ladder of 24 each, the fifth level empty."""
    events = vector("spot_grid_events")
    config = config_of(ONGC, stop_mode=events["inputs"]["stop_mode"])
    hand = Hand(config)
    state = hand.state
    state.investment, state.cash, state.base = D(50000), D("31126.568"), D(72)
    state.status, state.started_at = BotStatus.STARTING, T0
    state.quantity = state.sell_quantity = D(events["inputs"]["qty"])
    state.start_price, state.empty_level = D(262), events["inputs"]["empty_level"]
    turn = Turn(config=config, state=state, time=T0)
    build_ladder(turn)
    hand.open = {each.slot_ref: each for each in placed(turn.intents)}
    return hand, events, turn.intents


def action_of(intent):
    if isinstance(intent, PlaceOrder):
        return {
            "act": "place",
            "cid": intent.slot_ref,
            "side": intent.side.value,
            "price": plain(intent.price or D(0)),
            "qty": plain(intent.quantity),
        }
    if isinstance(intent, CancelOrder):
        return {"act": "cancel_orphan" if intent.is_orphan else "cancel", "cid": intent.slot_ref}
    action = {"act": intent.kind, "cid": intent.data.get("slot_ref")}
    if "remaining" in intent.data:
        action["remaining"] = intent.data["remaining"]
    return action


VECTOR_NOTES = {"partial_noted", "ignored_duplicate", "keep_orders", "queued_while_paused"}


def actions_of(intents):
    told = [
        action_of(intent)
        for intent in intents
        if isinstance(intent, PlaceOrder | CancelOrder)
        or (isinstance(intent, Note) and intent.kind in VECTOR_NOTES)
    ]
    return sorted(told, key=lambda action: json.dumps(action, sort_keys=True))


def vector_fill(hand, ref, row):
    """Return the report for a cumulative quantity, as a venue would have sent it."""
    rung = hand.state.rungs.get(int(ref.split("-")[1]))
    known = rung.order.executed if rung and rung.order and rung.order.ref == ref else D(0)
    price = hand.open[ref].price
    return OrderFilled(
        slot_ref=ref,
        quantity=max(D(row["cum"]) - known, D(0)),
        price=price,
        fee=D(0),
        fee_asset="INR",
        cumulative=D(row["cum"]),
        is_complete=D(row["cum"]) == hand.open[ref].quantity,
        time=T0,
    )


def vector_end(ref, row):
    return OrderEnded(ref, EndKind.CANCELLED, D(row.get("cum", "0")), "", "", T0)


def vector_event(hand, row):
    match row["ev"]:
        case "fill":
            return vector_fill(hand, row["cid"], row)
        case "venue_cancelled":
            rung = hand.state.rungs[int(row["cid"].split("-")[1])]
            return vector_end(row["cid"], {"cum": str(rung.order.executed)})
        case "pause" | "resume" | "stop":
            return Command(kind=CommandKind(row["ev"]), time=T0, price=D(262))
        case "restart":
            history = {
                ref: vector_fill(hand, ref, told) if told["ev"] == "fill" else vector_end(ref, told)
                for ref, told in row["history"].items()
            }
            return Reconciled(frozenset(row["venue_open"]), history, T0)
        case _:
            raise AssertionError(row)


def test_state_machine_follows_events_vector():
    hand, events, start = events_hand()
    assert actions_of(start) == sorted(
        events["start"], key=lambda action: json.dumps(action, sort_keys=True)
    )
    assert [each.slot_ref for each in start if isinstance(each, PlaceOrder)] == [
        row["cid"] for row in events["start"]
    ]
    hand.accept(*list(hand.open))
    assert hand.state.status is BotStatus.RUNNING
    for step in events["steps"]:
        row = step["event"]
        if row["ev"] == "rejected":
            # NOT_SENT is repeated by the gateway and never reaches a strategy (decisions 1).
            assert row["code"] == "NOT_SENT"
            continue
        intents = hand.feed(vector_event(hand, row))
        assert actions_of(intents) == sorted(
            step["actions"], key=lambda action: json.dumps(action, sort_keys=True)
        ), row
        if row["ev"] == "stop":
            for ref in [each.slot_ref for each in intents if isinstance(each, CancelOrder)]:
                hand.end(ref)
        assert hand.state.status.value == step["state"], row
        assert hand.state.empty_level == step["empty_level"], row
        assert sum(1 for rung in hand.state.rungs.values() if rung.order) == step["open"], row


# --------------------------------------------------------------------------- published_checks.json


def published(what):
    return next(row for row in vector("published_checks") if row["what"].startswith(what))


BYBIT = {
    "symbol": "BTC-USDT",
    "quote": "USDT",
    "lower": "45000",
    "upper": "65000",
    "grids": 5,
    "spacing": "arithmetic",
    # The page does not print the investment: this one gives its quantity to eight decimals.
    "investment": "23610",
    "reserve_pct": "0.05",
    "maker_fee": "0.001",
    "taker_fee": "0.001",
    "fee_mode": "received",
    "tick": "0.01",
    "lot": "0.00000001",
    "min_qty": "0.00000001",
    "min_notional": "0",
}


def test_bybit_quantities_and_empty_level_are_ours():
    plan = plan_grid(config_of(BYBIT, price="54000"), price=D(54000))
    assert plan.levels[plan.empty_level] == D(published("empty level at start")["ours"])
    assert plan.denominator == D(45000 + 49000 + 53000 + 2 * 54000)
    assert plan.quantity == D(published("qty per grid with 5 % held back")["ours"])
    assert plan.sell_quantity == D(published("sell qty = buy qty less 0.1 % fee")["ours"])


def test_kucoin_interval_is_ours():
    config = config_of(
        ONGC, price="10000", lower="8000", upper="12000", grids=4, investment="90000"
    )
    levels = plan_grid(config, price=D(10000)).levels
    assert levels[1] - levels[0] == D(published("grid interval 8000..12000 with 4")["ours"])


def test_binance_balances_of_open_orders_are_ours():
    expected = published("quote balance of 5 open buys x 14 XRP")
    levels = [D("0.757"), D("0.758"), D("0.759"), D("0.760"), D("0.761")]
    assert denominator_of([*levels, D("0.762")], empty=5, price=D("0.7615")) == sum(levels)
    assert D(published("base balance 26 sells x 14")["ours"]) == 26 * 14
    assert D(expected["ours"]) == 14 * sum(levels)


def test_context_of_vectors_is_read():
    assert context_of().instrument.symbol == "NSE:ONGC"
    assert empty_at([D(1), D(2), D(3)], D(5)) == 2
