"""The ticker's frames as the stock Python client reads them: by the length of each packet."""

import struct
from typing import Any

CDS, BCD, INDICES = 3, 6, 9


def split(frame: bytes) -> list[bytes]:
    """Take a frame apart; a heartbeat has no packets."""
    if len(frame) < 2:
        return []
    (count,) = struct.unpack(">H", frame[:2])
    packets, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack(">H", frame[at : at + 2])
        packets.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    assert at == len(frame)
    return packets


def read(frame: bytes) -> list[dict[str, Any]]:
    """Read every packet of a frame."""
    return [_tick(packet) for packet in split(frame)]


def _tick(packet: bytes) -> dict[str, Any]:
    # JavaScript reads every word with a sign: what it cannot read must not be sent.
    words = struct.unpack(f">{min(len(packet), 64) // 4}i", packet[: min(len(packet), 64)])
    token = words[0]
    assert all(word >= 0 for word in words[:6])
    divisor = {CDS: 10_000_000.0, BCD: 10_000.0}.get(token & 0xFF, 100.0)
    tick = {"instrument_token": token, "tradable": token & 0xFF != INDICES}
    tick["last_price"] = words[1] / divisor
    if len(packet) == 8:
        return {**tick, "mode": "ltp"}
    if len(packet) in {28, 32}:
        high, low, opening, close = (word / divisor for word in words[2:6])
        tick["ohlc"] = {"open": opening, "high": high, "low": low, "close": close}
        tick["price_change"] = words[6] / divisor
        if len(packet) == 32:
            tick["exchange_timestamp"] = words[7]
        return {**tick, "mode": "quote" if len(packet) == 28 else "full"}
    assert len(packet) in {44, 184}
    assert all(word >= 0 for word in words)
    names = ("last_quantity", "average_price", "volume", "buy_quantity", "sell_quantity")
    tick |= dict(zip(names, words[2:7], strict=True))
    tick["average_price"] /= divisor
    tick["ohlc"] = dict(
        zip(("open", "high", "low", "close"), (w / divisor for w in words[7:11]), strict=True)
    )
    if len(packet) == 44:
        return {**tick, "mode": "quote"}
    tick |= dict(
        zip(("last_trade_time", "oi", "oi_day_high", "oi_day_low", "exchange_timestamp"),
            words[11:16], strict=True)
    )  # fmt: skip
    tick["depth"] = {"buy": [], "sell": []}
    for number, at in enumerate(range(64, 184, 12)):
        quantity, price, orders = struct.unpack(">iiHxx", packet[at : at + 12])
        assert quantity >= 0
        assert price >= 0
        tick["depth"]["buy" if number < 5 else "sell"].append(
            {"quantity": quantity, "price": price / divisor, "orders": orders}
        )
    return {**tick, "mode": "full"}
