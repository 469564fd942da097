"""The lines of a bot's timeline in words for people, made from what each line keeps as data.

Strategies note what happened in their own short form, with references; money and prices are
written here, by the rules of the instrument.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from bots.domain.enums import BotStatus, StopMode
from market.domain.enums import Side
from market.domain.formatting import format_money, format_price, format_quantity
from market.domain.instruments import InstrumentSpec

Data = Mapping[str, str]
# b7-4-B-5, or b7-init-B-1 for an immediate trade.
_REFERENCE: Final = re.compile(r"\bb\d+-\w+-([BS])-\d+\b")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_ASKED: Final = {
    "pause": "You asked to pause",
    "resume": "You asked to go on",
    "retry": "You asked to try again",
    "stop": "You asked to stop",
}
_STOP_MODES: Final = {
    StopMode.SELL_ALL.value: "sell everything",
    StopMode.KEEP_ASSETS.value: "keep the units",
}
_CODES: Final = {
    "OUT_OF_RANGE_ABOVE": "The price is above the range: only buys rest",
    "OUT_OF_RANGE_BELOW": "The price is below the range: only sells rest",
    "OTHER_PRICES": "Paused: prices come from another source",
}
_STATUSES: Final = {
    BotStatus.STARTING.value: "Starting: buys its first units and places its orders",
    BotStatus.RUNNING.value: "Running",
    BotStatus.PAUSED.value: "Paused",
    BotStatus.STOPPED.value: "Stopped: everything left went back to Manual",
}
# What stands before a reason, and what is said without one.
_REASONED: Final = {
    BotStatus.WAITING_TRIGGER.value: ("", "Waiting for its trigger price"),
    BotStatus.STOPPING.value: ("Stopping: ", "Stopping: cancels its orders and closes"),
    BotStatus.ERROR.value: ("Needs you: ", "Needs you"),
}
_REFUSED: Final = {
    "pause": "Not paused",
    "resume": "Not resumed",
    "retry": "Not tried again",
    "stop": "Not stopped",
    "add_investment": "No money added",
    "withdraw_profit": "Nothing paid out",
}


class _Numbers:
    """Writes the numbers of one instrument."""

    def __init__(self, spec: InstrumentSpec) -> None:
        self._spec = spec

    def price(self, text: str) -> str:
        asset = self._spec.quote_asset
        return format_price(Decimal(text), tick=self._spec.tick_size, asset=asset)

    def money(self, text: str, *, signed: bool = False) -> str:
        return format_money(Decimal(text), asset=self._spec.quote_asset, signed=signed)

    def quantity(self, text: str) -> str:
        return format_quantity(Decimal(text), lot=self._spec.lot_size)

    def order(self, data: Data) -> str:
        """Name an order: Buy at 251.60."""
        return f"{Side(data['side']).capitalize()} at {self.price(data['price'])}"


def event_words(kind: str, message: str, *, data: Data, spec: InstrumentSpec) -> str:
    """Return a line of the timeline in words."""
    if kind == "status":
        return status_line(data.get("status", ""), message, code=data.get("code", ""), spec=spec)
    if kind == "refused":
        return _refused(message, data)
    writer = _WRITERS.get(kind)
    if writer is None:
        return without_references(message)
    try:
        return writer(data, _Numbers(spec))
    except (KeyError, ValueError, InvalidOperation):
        # Lines that were written before they kept these data.
        return without_references(message)


def without_references(message: str) -> str:
    """Return a message that names orders by their side instead of by reference."""
    told = _REFERENCE.sub(lambda found: f"the {_SIDES[found[1]]} order", message)
    return f"{told[:1].upper()}{told[1:]}"


_SIDES: Final = {"B": "buy", "S": "sell"}


# -------------------------------------------------------------------------------------- states


def status_line(status: str, message: str, *, code: str, spec: InstrumentSpec) -> str:
    """Return why a bot's state changed."""
    known = _CODES.get(code) or _STATUSES.get(status)
    if known:
        return known
    if status not in _REASONED:
        return without_references(message)
    # A message is the state's own name, that with its reason, or a reason that speaks for both.
    own_name = status.replace("_", " ").lower()
    reason = message.partition(": ")[2] or ("" if message.lower() == own_name else message)
    words = reason_words(reason, code=code, spec=spec)
    before, alone = _REASONED[status]
    return f"{before}{words}" if words else alone


def reason_words(message: str, *, code: str, spec: InstrumentSpec) -> str:
    """Return a reason with its prices and amounts written out: waiting for 265.00."""
    numbers = _Numbers(spec)
    if code == "MAX_LOSS":
        # The first number is money, the second the price at which it was reached.
        told = _NUMBER.sub(lambda found: numbers.money(found[0]), message, count=1)
        head, at, price = told.rpartition(" at ")
        return f"{head}{at}{_NUMBER.sub(lambda found: numbers.price(found[0]), price)}"
    if code in {"TRIGGER", "STOP_LOSS", "TAKE_PROFIT"}:
        return _NUMBER.sub(lambda found: numbers.price(found[0]), message)
    return without_references(message)


# ------------------------------------------------------------------------------------ the kinds


def _start(data: Data, numbers: _Numbers) -> str:
    return f"Started with {numbers.money(data['amount'])} from {data['book']}"


def _asked(data: Data, numbers: _Numbers) -> str:
    command = data["command"]
    if "source" in data:
        return f"Pausing: prices come from {data['source']} now"
    if command == "add_investment":
        return f"You asked to add {numbers.money(data['amount'])}"
    if command == "withdraw_profit":
        amount = numbers.money(data["amount"]) if "amount" in data else "all that can be released"
        return f"You asked to withdraw {amount}"
    mode = _STOP_MODES.get(data.get("stop_mode", ""), "")
    return f"{_ASKED[command]}{f' and {mode}' if mode else ''}"


def _pair(data: Data, numbers: _Numbers) -> str:
    low, high = numbers.price(data["low"]), numbers.price(data["high"])
    profit = numbers.money(data["profit"], signed=True)
    return f"Bought at {low}, sold at {high}: {profit}"


def _partial(data: Data, numbers: _Numbers) -> str:
    filled, quantity = numbers.quantity(data["filled"]), numbers.quantity(data["quantity"])
    return f"{numbers.order(data)}: {filled} of {quantity} filled"


def _late(data: Data, numbers: _Numbers) -> str:
    return f"{numbers.order(data)}: {numbers.quantity(data['quantity'])} filled after its end"


def _added(data: Data, numbers: _Numbers) -> str:
    amount, price = numbers.money(data["amount"]), numbers.price(data["price"])
    return f"{amount} added; the ladder is computed anew at {price}"


def _withdrawn(data: Data, numbers: _Numbers) -> str:
    return f"{numbers.money(data['amount'])} of grid profit paid out to Manual"


def _reinvested(data: Data, numbers: _Numbers) -> str:
    growth, quantity = numbers.quantity(data["growth"]), numbers.quantity(data["quantity"])
    return f"Profit reinvested: {growth} more per grid, now {quantity}"


def _then(words: str) -> Callable[[Data, _Numbers], str]:
    return lambda data, numbers: f"{numbers.order(data)} {words}"


_WRITERS: Final[Mapping[str, Callable[[Data, _Numbers], str]]] = {
    "start": _start,
    "asked": _asked,
    "pair": _pair,
    "partial_noted": _partial,
    "late_fill": _late,
    "add_investment": _added,
    "withdraw_profit": _withdrawn,
    "reinvested": _reinvested,
    "queued_while_paused": _then("filled; its counter-order waits until the bot goes on"),
    "parked": _then("waits for the order in its place to end"),
    "waiting_for_cover": _then("waits until it is covered"),
}


def _refused(message: str, data: Data) -> str:
    command = data.get("command", "")
    told = without_references(message.removeprefix(f"{command}: "))
    return f"{_REFUSED[command]}: {told[:1].lower()}{told[1:]}" if command in _REFUSED else told
