"""What pages are sent: prices as texts to show, private events as they are."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import orjson

from market.listeners import Frame, Ticker, Writer
from market.stream_codec import plain

_HUNDRED = Decimal(100)


class ConsoleWriter(Writer):
    """Writes to the console's pages, at most twice a second."""

    seconds = 0.5
    most_sockets = 20

    def pack(self, ticker: Ticker, mode: str, now: datetime) -> Frame:
        """Write an instrument's part of a frame."""
        quote, decimals = ticker.quote, ticker.listing.decimals
        change = quote.last_price - quote.previous_close
        percent = change / quote.previous_close * _HUNDRED if quote.previous_close else Decimal(0)
        row = {
            "i": quote.instrument_token,
            "p": f"{quote.last_price:.{decimals}f}",
            "c": f"{change:+.{decimals}f}",
            "cp": f"{percent:+.2f}",
            "v": plain(quote.volume),
            "s": "stale" if ticker.is_stale else "ok",
            "age": round(quote.age(now).total_seconds(), 1),
            "bid": f"{quote.best_bid:.{decimals}f}",
            "ask": f"{quote.best_ask:.{decimals}f}",
            "o": f"{quote.open:.{decimals}f}",
            "h": f"{quote.high:.{decimals}f}",
            "l": f"{quote.low:.{decimals}f}",
            "ts": quote.exchange_time,
        }
        return orjson.dumps(row).decode()

    def frame(self, parts: Sequence[Frame]) -> Frame:
        """Join the parts of one frame."""
        return '{"t":"quotes","q":[' + ",".join(parts) + "]}"  # type: ignore[arg-type]

    async def told(self, frames: Sequence[bytes]) -> list[list[str]]:
        """Return private events as they came."""
        return [[frame.decode()] for frame in frames]


CONSOLE = ConsoleWriter()
