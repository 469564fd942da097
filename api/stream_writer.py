"""What our own stream sends: exact prices and sizes as texts, and private events with numbers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import orjson

from api.stream_orders import OrderState, told_of_orders
from api.ticker import Mode
from market.domain.ticks import DepthLevel, Quote
from market.listeners import Frame, Ticker, Writer
from market.stream_codec import plain


class StreamWriter(Writer):
    """Writes to `/stream`, at most ten times a second."""

    seconds = 0.1
    most_sockets = 1000
    heartbeat = '{"t":"heartbeat"}'

    def pack(self, ticker: Ticker, mode: str, now: datetime) -> Frame:
        """Return the instrument's row."""
        return orjson.dumps(quote_row(ticker, mode)).decode()

    def frame(self, parts: Sequence[Frame]) -> Frame:
        """Join rows."""
        return '{"t":"quotes","quotes":[' + ",".join(cast("Sequence[str]", parts)) + "]}"

    async def told(self, frames: Sequence[bytes]) -> list[list[str]]:
        """Return every event under its number."""
        return [
            [orjson.dumps(event_row(event, states)).decode()]
            for event, states in await told_of_orders(frames)
        ]


def quote_row(ticker: Ticker, mode: str) -> dict[str, Any]:
    """Return what a program is told of a price; numbers are texts, exact as they are kept."""
    quote = ticker.quote
    row: dict[str, Any] = {
        "symbol": ticker.listing.symbol,
        "instrument_token": quote.instrument_token,
        "last_price": plain(quote.last_price),
        "exchange_time": quote.exchange_time,
        "is_stale": ticker.is_stale,
    }
    if mode != Mode.LTP:
        row |= _day_of(quote)
    if mode == Mode.FULL:
        depth = quote.depth
        row["depth"] = {
            "buy": _levels(depth.bids if depth else ()),
            "sell": _levels(depth.asks if depth else ()),
        }
    return row


def _day_of(quote: Quote) -> dict[str, Any]:
    return {
        "last_quantity": plain(quote.last_quantity),
        "average_price": plain(quote.average_price),
        "volume": plain(quote.volume),
        "best_bid": plain(quote.best_bid),
        "best_ask": plain(quote.best_ask),
        "ohlc": {
            "open": plain(quote.open),
            "high": plain(quote.high),
            "low": plain(quote.low),
            "close": plain(quote.previous_close),
        },
    }


def _levels(levels: Sequence[DepthLevel]) -> list[dict[str, Any]]:
    return [
        {"price": plain(each.price), "quantity": plain(each.quantity), "orders": each.orders}
        for each in levels
    ]


def event_row(event: dict[str, Any], states: Sequence[OrderState]) -> dict[str, Any]:
    """Return an event in the words of the API; one that nobody has words for as it is."""
    match event.get("kind"):
        case "order":
            return {**event, "data": {"orders": [state.row for state in states]}}
        case "trade":
            return {**event, "data": _trade_row(event["data"])}
        case _:
            return event


def _trade_row(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "trade_id": said["venue_trade_id"],
        "order_id": str(said["order_id"]),
        "instrument_token": said["instrument_id"],
        "transaction_type": said["side"],
        "quantity": said["quantity"],
        "average_price": said["price"],
    }


STREAM = StreamWriter()
