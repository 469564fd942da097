"""The ticker's wire, as Kite's clients read it (kite-api.md 2): packets, frames, messages. Pure.

Everything is big endian. A client knows a packet by its length alone: 8 (ltp), 44 (quote), 184
(full), and 28 or 32 for an index. JavaScript reads 32 bits with a sign, so every number is kept
below 2^31; sizes are whole, parts of a unit are dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from struct import Struct

import orjson

from market.domain.ticks import Depth, DepthLevel, Quote

MOST = 2**31 - 1
MOST_ORDERS = 2**16 - 1
LEVELS = 5
HEARTBEAT = b"\x00"

_SEGMENT = 0xFF
_INDICES = 9
# By the low byte of the token; everything else has two decimals.
_DIVISORS = {3: 10_000_000, 6: 10_000}
_USUAL_DIVISOR = 100
_HALF = Decimal("0.5")

_COUNT = Struct(">H")
_LTP = Struct(">HII")
_QUOTE = Struct(">HIIIIIIIIIII")
# Last trade, open interest three times, exchange time.
_FULL_HEAD = Struct(">HIIIIIIIIIIIIIIII")
_LEVEL = Struct(">IIH2x")
_DEPTH_BYTES = 2 * LEVELS * _LEVEL.size
_INDEX_QUOTE = Struct(">HIIIIIIi")
_INDEX_FULL = Struct(">HIIIIIIiI")
_LENGTH = _COUNT.size
_NO_SIDE = bytes(LEVELS * _LEVEL.size)


class Mode(StrEnum):
    """How much a client wants to know of an instrument."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


# ------------------------------------------------------------------------------------- packets


def packet(quote: Quote, mode: str) -> bytes:
    """Return an instrument's part of a frame: its length and its packet."""
    token = quote.instrument_token
    divisor = _DIVISORS.get(token & _SEGMENT, _USUAL_DIVISOR)
    last = _price(quote.last_price, divisor)
    if mode == Mode.LTP:
        return _LTP.pack(_LTP.size - _LENGTH, token, last)
    if token & _SEGMENT == _INDICES:
        return _index(quote, mode, divisor)
    head = (
        token,
        last,
        _whole(quote.last_quantity),
        _price(quote.average_price, divisor),
        _whole(quote.volume),
        _total(quote.depth.bids if quote.depth else ()),
        _total(quote.depth.asks if quote.depth else ()),
        _price(quote.open, divisor),
        _price(quote.high, divisor),
        _price(quote.low, divisor),
        _price(quote.previous_close, divisor),
    )
    if mode == Mode.QUOTE:
        return _QUOTE.pack(_QUOTE.size - _LENGTH, *head)
    at = _seconds(quote)
    length = _FULL_HEAD.size - _LENGTH + _DEPTH_BYTES
    return _FULL_HEAD.pack(length, *head, at, 0, 0, 0, at) + _depth(quote.depth, divisor)


def _index(quote: Quote, mode: str, divisor: int) -> bytes:
    prices = [
        _price(each, divisor)
        for each in (quote.last_price, quote.high, quote.low, quote.open, quote.previous_close)
    ]
    change = _price(abs(quote.last_price - quote.previous_close), divisor)
    if quote.last_price < quote.previous_close:
        change = -change
    head = (quote.instrument_token, *prices, change)
    if mode == Mode.QUOTE:
        return _INDEX_QUOTE.pack(_INDEX_QUOTE.size - _LENGTH, *head)
    return _INDEX_FULL.pack(_INDEX_FULL.size - _LENGTH, *head, _seconds(quote))


def _depth(depth: Depth | None, divisor: int) -> bytes:
    if depth is None:
        return bytes(_DEPTH_BYTES)
    return _side(depth.bids, divisor) + _side(depth.asks, divisor)


def _side(levels: Sequence[DepthLevel], divisor: int) -> bytes:
    packed = b"".join(
        _LEVEL.pack(
            _whole(level.quantity),
            _price(level.price, divisor),
            min(max(level.orders, 0), MOST_ORDERS),
        )
        for level in levels[:LEVELS]
    )
    return packed.ljust(len(_NO_SIDE), b"\x00")


def _total(levels: Iterable[DepthLevel]) -> int:
    return _whole(sum((level.quantity for level in levels), Decimal(0)))


def _price(price: Decimal, divisor: int) -> int:
    """Return a price in the segment's smallest step, half up."""
    return min(max(int(price * divisor + _HALF), 0), MOST)


def _whole(quantity: Decimal) -> int:
    return min(max(int(quantity), 0), MOST)


def _seconds(quote: Quote) -> int:
    return min(max(int(quote.exchange_time.timestamp()), 0), MOST)


def frame(packets: Sequence[bytes]) -> bytes:
    """Return one message with all packets, each with its length before it."""
    return _COUNT.pack(len(packets)) + b"".join(packets)


# ------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Watch instruments; those watched already keep their mode, new ones get `quote`."""

    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Watch instruments no longer."""

    tokens: list[int]


@dataclass(frozen=True, slots=True)
class SetMode:
    """Give instruments a mode, and watch those that are not watched yet."""

    mode: Mode
    tokens: list[int]


Message = Subscribe | Unsubscribe | SetMode
_KNOWN = (
    'Messages are {"a":"subscribe"|"unsubscribe","v":[tokens]} and '
    '{"a":"mode","v":["ltp"|"quote"|"full",[tokens]]}.'
)
_TOKENS = "Instrument tokens are whole numbers from 1 to 2147483647."


def message_of(text: str) -> Message:
    """Read what a client says; ValueError with the words to answer where it makes no sense."""
    try:
        said = orjson.loads(text)
    except ValueError:
        raise ValueError(_KNOWN) from None
    match said:
        case {"a": "subscribe", "v": list(tokens)}:
            return Subscribe(_tokens(tokens))
        case {"a": "unsubscribe", "v": list(tokens)}:
            return Unsubscribe(_tokens(tokens))
        case {"a": "mode", "v": [str(mode), list(tokens)]} if mode in set(Mode):
            return SetMode(Mode(mode), _tokens(tokens))
        case _:
            raise ValueError(_KNOWN)


def _tokens(values: list[object]) -> list[int]:
    """Read tokens: numbers, or numbers written as text, as files give them."""
    return [_token(value) for value in values]


def _token(value: object) -> int:
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= len(str(MOST))
    ):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST:
        raise ValueError(_TOKENS)
    return value


def error_text(words: str) -> str:
    """Return an error as the clients read it: `data` has to be a string."""
    return orjson.dumps({"type": "error", "data": words}).decode()
