"""Lines of the timeline in plain words: formatted numbers, no references."""

import pytest

from bots.domain.event_words import event_words, reason_words
from bots.tests.domain.grids import context_of

SPEC = context_of().instrument


@pytest.mark.parametrize(
    ("kind", "message", "data", "expected"),
    [
        (
            "partial_noted",
            "b1-10-B-11: 11 executed, 28 remaining",
            {"slot_ref": "b1-10-B-11", "side": "BUY", "price": "251.6", "filled": "11",
             "quantity": "39", "remaining": "28"},
            "Buy at 251.60: 11 of 39 filled",
        ),
        (
            "pair",
            "Pair 251.6 to 252.1 made 9.67785",
            {"profit": "9.67785", "low": "251.6", "high": "252.1", "pair_with": "b1-10-B-11"},
            "Bought at 251.60, sold at 252.10: +Rs. 9.68",
        ),
        (
            "start",
            "Started with 200000 INR from Manual",
            {"amount": "200000", "book": "Manual"},
            "Started with Rs. 2,00,000.00 from Manual",
        ),
        ("status", "Running", {"status": "RUNNING", "code": ""}, "Running"),
        (
            "status",
            "Running: Out of range (above)",
            {"status": "RUNNING", "code": "OUT_OF_RANGE_ABOVE"},
            "The price is above the range: only buys rest",
        ),
        (
            "status",
            "Waiting trigger: Waiting for 265",
            {"status": "WAITING_TRIGGER", "code": "TRIGGER"},
            "Waiting for 265.00",
        ),
        (
            "status",
            "Waiting for 265",
            {"status": "WAITING_TRIGGER", "code": "TRIGGER"},
            "Waiting for 265.00",
        ),
        ("status", "Stopping", {"status": "STOPPING"}, "Stopping: cancels its orders and closes"),
        (
            "status",
            "Stopping: Stop loss 235 reached at 234.95",
            {"status": "STOPPING", "code": "STOP_LOSS"},
            "Stopping: Stop loss 235.00 reached at 234.95",
        ),
        (
            "status",
            "Stopping: Maximum loss of 1500 reached at 234.9",
            {"status": "STOPPING", "code": "MAX_LOSS"},
            "Stopping: Maximum loss of Rs. 1,500.00 reached at 234.90",
        ),
        (
            "status",
            "Paused: Paused",
            {"status": "PAUSED", "code": "OTHER_PRICES"},
            "Paused: prices come from another source",
        ),
        ("asked", "Stop asked for", {"command": "stop", "stop_mode": "keep_assets"},
         "You asked to stop and keep the units"),
        ("asked", "Add investment asked for", {"command": "add_investment", "amount": "5000"},
         "You asked to add Rs. 5,000.00"),
        ("asked", "Withdraw profit asked for", {"command": "withdraw_profit"},
         "You asked to withdraw all that can be released"),
        ("asked", "Pausing: prices come from REPLAY:x now",
         {"command": "pause", "source": "REPLAY:x"}, "Pausing: prices come from REPLAY:x now"),
        ("withdraw_profit", "12.5 paid out", {"amount": "12.5"},
         "Rs. 12.50 of grid profit paid out to Manual"),
        ("add_investment", "5000 added; ...", {"amount": "5000", "price": "262"},
         "Rs. 5,000.00 added; the ladder is computed anew at 262.00"),
        ("late_fill", "b1-3-S-4: 5 executed after it had ended",
         {"side": "SELL", "price": "255", "quantity": "5"}, "Sell at 255.00: 5 filled after its end"),
        ("parked", "SELL at 255 waits for the order in its slot",
         {"side": "SELL", "price": "255", "level": "3"},
         "Sell at 255.00 waits for the order in its place to end"),
        ("refused", "pause: only a running grid can be paused", {"command": "pause"},
         "Not paused: only a running grid can be paused"),
        ("order_query", "b7-4-B-5 has not been answered for", {"slot_ref": "b7-4-B-5"},
         "The buy order has not been answered for"),
        ("ignored_duplicate", "Report of b7-init-B-1 was already counted", {},
         "Report of the buy order was already counted"),
        # Written before the line kept its data.
        ("partial_noted", "b1-10-S-11: 11 executed, 28 remaining", {},
         "The sell order: 11 executed, 28 remaining"),
        ("pair", "Pair 251.6 to 252.1 made 9.67785", {}, "Pair 251.6 to 252.1 made 9.67785"),
        ("created", "Created", {}, "Created"),
    ],
)  # fmt: skip
def test_words(kind, message, data, expected):
    assert event_words(kind, message, data=data, spec=SPEC) == expected


def test_the_reason_on_a_card_has_its_price_written_out():
    assert reason_words("Waiting for 265", code="TRIGGER", spec=SPEC) == "Waiting for 265.00"
