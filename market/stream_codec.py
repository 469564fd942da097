"""How quotes, ticks and open minutes are written in Redis; pure packing, no connection."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from market.domain.candles import CandleBar
from market.domain.enums import FillModel, SourceKind
from market.domain.ticks import Depth, DepthLevel, Quote, Tick


def plain(value: Decimal) -> str:
    """Write a number as people do: no exponent, no trailing zeros."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _levels(levels: Sequence[DepthLevel]) -> list[list[str | int]]:
    return [[plain(level.price), plain(level.quantity), level.orders] for level in levels]


def encode_quote(quote: Quote) -> bytes:
    """Pack a quote for Redis."""
    depth = quote.depth
    return orjson.dumps(
        {
            "i": quote.instrument_token,
            "src": quote.source,
            "run": quote.run,
            "fm": quote.fill_model,
            "n": quote.sequence,
            "p": plain(quote.last_price),
            "lq": plain(quote.last_quantity),
            "v": plain(quote.volume),
            "o": plain(quote.open),
            "h": plain(quote.high),
            "l": plain(quote.low),
            "pc": plain(quote.previous_close),
            "xt": quote.exchange_time,
            "rt": quote.received_at,
            "tv": plain(quote.traded_value),
            "tq": plain(quote.traded_quantity),
            "d": None if depth is None else [_levels(depth.bids), _levels(depth.asks)],
        }
    )


def _side(levels: list[list[Any]]) -> tuple[DepthLevel, ...]:
    return tuple(
        DepthLevel(Decimal(price), Decimal(quantity), orders) for price, quantity, orders in levels
    )


def _quote(row: dict[str, Any]) -> Quote:
    depth = row["d"]
    return Quote(
        instrument_token=row["i"],
        source=SourceKind(row["src"]),
        run=row["run"],
        fill_model=FillModel(row["fm"]),
        sequence=row["n"],
        last_price=Decimal(row["p"]),
        last_quantity=Decimal(row["lq"]),
        volume=Decimal(row["v"]),
        open=Decimal(row["o"]),
        high=Decimal(row["h"]),
        low=Decimal(row["l"]),
        previous_close=Decimal(row["pc"]),
        exchange_time=datetime.fromisoformat(row["xt"]),
        received_at=datetime.fromisoformat(row["rt"]),
        depth=None if depth is None else Depth(bids=_side(depth[0]), asks=_side(depth[1])),
        # Absent from what an older feed has written.
        traded_value=Decimal(row.get("tv", 0)),
        traded_quantity=Decimal(row.get("tq", 0)),
    )


def decode_quote(payload: bytes) -> Quote:
    """Unpack one quote."""
    return _quote(orjson.loads(payload))


def decode_quotes(payload: bytes) -> list[Quote]:
    """Unpack one message of the ticks channel: a list of quotes, oldest first."""
    return [_quote(row) for row in orjson.loads(payload)]


def encode_tick(quote: Quote) -> bytes:
    """Pack what the ring of recent ticks keeps of a quote."""
    return orjson.dumps(
        [
            quote.sequence,
            plain(quote.last_price),
            quote.exchange_time,
            plain(quote.volume),
            plain(quote.last_quantity),
        ]
    )


def decode_tick(token: int, payload: bytes) -> Tick:
    """Unpack one tick of the ring."""
    sequence, price, exchange_time, volume, last_quantity = orjson.loads(payload)
    return Tick(
        instrument_token=token,
        price=Decimal(price),
        exchange_time=datetime.fromisoformat(exchange_time),
        volume=Decimal(volume),
        last_quantity=Decimal(last_quantity),
        sequence=sequence,
    )


def encode_bar(source: str, bar: CandleBar) -> bytes:
    """Pack an open minute with the name of its source."""
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return orjson.dumps([source, bar.time, *map(plain, numbers)])


def decode_bar(payload: bytes) -> tuple[str, CandleBar]:
    """Unpack (source, open minute)."""
    source, time, *numbers = orjson.loads(payload)
    return source, CandleBar(datetime.fromisoformat(time), *map(Decimal, numbers))
