"""The messages of `/stream`, our own JSON socket. Pure.

Opening it: programs send the header `Authorization: token api_key:access_token`; pages ask
`POST /session/stream_token` for a token and open `/stream?token=...`, once, within 60 seconds.
`?after=N` beside it asks at once for the events after number N. Three sockets per program and
user, 3,000 instruments each. A refusal comes in the handshake: 403 where the token is no good, 429
where three sockets are open, 503 where a part of the platform is away.

A program says

    {"a":"subscribe","symbols":["NSE:ONGC","BINANCE:BTCUSDT"],"mode":"quote"}
    {"a":"unsubscribe","symbols":["NSE:ONGC"]}
    {"a":"replay","after":41}
    {"a":"ping"}

Modes: ltp, quote (where none is named), full; naming a symbol again changes its mode. What is known
of a symbol comes at once, then at most ten frames a second, each with everything that has changed.

It hears

    {"t":"hello","user_id":"FB1234","seq":41}      first of all; the number of the newest event
    {"t":"quotes","quotes":[...]}                  every number of a quote is a text: exact,
                                                   fractions of a unit included; `exchange_time`
                                                   is ISO 8601 with its zone; `is_stale`: no
                                                   trading on this price any more
    {"t":"event","seq":42,"kind":"order","data":{"orders":[...]}}   rows as GET /orders/{id} has
                                                   them, one for every change, oldest first
    {"t":"event","seq":43,"kind":"trade","data":{"trade_id","order_id","instrument_token",
                     "transaction_type","quantity","average_price"}}   numbers are texts
    {"t":"event","seq":44,"kind":"balance","data":{}}                  money moved: read it anew
    {"t":"event","seq":45,"kind":"bot","data":{"id","status","code","message",...}}
    {"t":"resync","seq":99}                        events up to 99 are no longer known one by one:
                                                   read orders, trades and positions, go on after 99
    {"t":"heartbeat"}                              every second
    {"t":"pong"}
    {"t":"error","message":"..."}                  the last message was not understood or only in
                                                   part: unknown symbols are named; the socket stays

Numbers of events ascend by one per user, whatever the program. After a reconnection ask for what
came after the last number you have; an event may come twice then: leave out numbers you know. The
newest 200 events are kept for a day; a socket may ask for them 20 times in 20 seconds.
"""

from dataclasses import dataclass

import orjson

from api.ticker import Mode

MAX_SYMBOL = 80
_KNOWN = (
    'Messages: {"a":"subscribe","symbols":[...],"mode":"ltp|quote|full"}, '
    '{"a":"unsubscribe","symbols":[...]}, {"a":"replay","after":N}, {"a":"ping"}.'
)
_SYMBOLS = "`symbols` is a list of texts like NSE:ONGC."
_MODE = "`mode` is ltp, quote or full."
_AFTER = "`after` is the number of the last event you have."


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Watch symbols; without a mode those watched already keep theirs, new ones get `quote`."""

    symbols: list[str]
    mode: Mode | None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Watch symbols no longer."""

    symbols: list[str]


@dataclass(frozen=True, slots=True)
class Replay:
    """Send the events after a number again."""

    after: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Say something."""


Message = Subscribe | Unsubscribe | Replay | Ping


def message_of(text: str) -> Message:
    """Read what a program says; ValueError with the words to answer where it makes no sense."""
    try:
        said = orjson.loads(text)
    except ValueError:
        raise ValueError(_KNOWN) from None
    match said:
        case {"a": "subscribe"}:
            return Subscribe(_symbols(said.get("symbols")), _mode(said.get("mode")))
        case {"a": "unsubscribe"}:
            return Unsubscribe(_symbols(said.get("symbols")))
        case {"a": "replay"}:
            return Replay(event_number(said.get("after")))
        case {"a": "ping"}:
            return Ping()
        case _:
            raise ValueError(_KNOWN)


def event_number(value: object) -> int:
    """Read the number of an event, also one written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(_AFTER)
    return value


def _symbols(value: object) -> list[str]:
    if isinstance(value, list) and all(_is_symbol(each) for each in value):
        return value
    raise ValueError(_SYMBOLS)


def _is_symbol(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_SYMBOL and "\x00" not in value


def _mode(value: object) -> Mode | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in set(Mode):
        raise ValueError(_MODE)
    return Mode(value)
