"""The packets, byte for byte, and as the stock clients read them."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.tests.stock_ticker import read, split
from api.ticker import (
    MOST,
    Mode,
    SetMode,
    Subscribe,
    Unsubscribe,
    error_text,
    frame,
    message_of,
    packet,
)
from market.domain.ticks import Depth, DepthLevel
from market.tests.factories import BTCUSDT, ONGC, SHARED_DATA, quote_of

PAYLOADS = SHARED_DATA / "exchange-payloads" / "kite"
NIFTY = 256265
AT = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)
BIDS = (
    DepthLevel(Decimal("262.00"), Decimal(5), 1),
    DepthLevel(Decimal("261.95"), Decimal(140), 2),
)
ASKS = (DepthLevel(Decimal("262.10"), Decimal(172), 3),)


def a_quote(**changes):
    return replace(
        quote_of("262.05", exchange_time=AT, depth=Depth(BIDS, ASKS)),
        **{
            "last_quantity": Decimal(7),
            "volume": Decimal(1192471),
            "open": Decimal("261.5"),
            "high": Decimal(263),
            "low": Decimal("260.05"),
            "traded_quantity": Decimal(2),
            "traded_value": Decimal("523.40"),
            **changes,
        },
    )


LTP = "00080009ab010000665d"
QUOTE = (
    "002c" "0009ab01" "0000665d" "00000007" "0000663a" "00123217" "00000091" "000000ac"
    "00006626" "000066bc" "00006595" "00006590"
)  # fmt: skip
FULL = (
    "00b8" + QUOTE[4:] + "6ae818d0" "00000000" "00000000" "00000000" "6ae818d0"
    "00000005" "00006658" "0001" "0000" "0000008c" "00006653" "0002" "0000" + "00" * 36
    + "000000ac" "00006662" "0003" "0000" + "00" * 48
)  # fmt: skip


def test_the_bytes_of_every_mode():
    assert packet(a_quote(), Mode.LTP).hex() == LTP
    assert packet(a_quote(), Mode.QUOTE).hex() == QUOTE
    assert packet(a_quote(), Mode.FULL).hex() == FULL


def test_the_bytes_of_an_index():
    index = a_quote(
        instrument_token=NIFTY,
        last_price=Decimal("24000.5"),
        high=Decimal(24100),
        low=Decimal(23900),
        open=Decimal(23950),
        previous_close=Decimal("24010.75"),
    )
    head = "0003e90900249f320024c610002477f000248b780024a333"
    fallen = f"{2**32 - 1025:08x}"
    assert packet(index, Mode.LTP).hex() == "00080003e90900249f32"
    assert packet(index, Mode.QUOTE).hex() == "001c" + head + fallen
    assert packet(index, Mode.FULL).hex() == "0020" + head + fallen + "6ae818d0"
    (tick,) = read(frame([packet(index, Mode.FULL)]))
    assert tick["ohlc"] == {"open": 23950.0, "high": 24100.0, "low": 23900.0, "close": 24010.75}
    assert (tick["price_change"], tick["tradable"], tick["mode"]) == (-10.25, False, "full")


def test_a_frame_counts_its_packets():
    sent = frame([packet(a_quote(), mode) for mode in Mode])
    assert sent.hex() == "0003" + LTP + QUOTE + packet(a_quote(), Mode.FULL).hex()
    assert [len(each) for each in split(sent)] == [8, 44, 184]


@pytest.mark.parametrize(
    ("token", "price", "expected"),
    [
        (BTCUSDT, "98765.4321", 98765.4321),
        (BTCUSDT, "214748.3647", 214748.3647),
        (8_000_001 << 8 | 3, "0.1234567", 0.1234567),
        (ONGC, "21474836.47", 21474836.47),
        # More decimals than the wire has: half up.
        (ONGC, "1.005", 1.01),
        # More than JavaScript can read: as much as it can.
        (ONGC, "30000000", MOST / 100),
    ],
)
def test_prices_are_divided_by_the_segment_of_the_token(token, price, expected):
    quote = quote_of(price, token=token)
    (tick,) = read(frame([packet(quote, Mode.LTP)]))
    assert (tick["instrument_token"], tick["last_price"]) == (token, expected)


def test_parts_of_a_unit_are_dropped_and_sums_are_made_before():
    levels = tuple(DepthLevel(Decimal(100 - n), Decimal("0.6"), 70_000) for n in range(7))
    quote = a_quote(
        instrument_token=BTCUSDT,
        last_quantity=Decimal("1.9999"),
        volume=Decimal("3000000000.5"),
        depth=Depth(levels, ()),
    )
    (tick,) = read(frame([packet(quote, Mode.FULL)]))
    assert (tick["last_quantity"], tick["volume"]) == (1, MOST)
    # 7 x 0.6 is 4.2, though every level shows 0.
    assert (tick["buy_quantity"], tick["sell_quantity"]) == (4, 0)
    assert tick["depth"]["buy"][0] == {"quantity": 0, "price": 100.0, "orders": 65_535}
    assert tick["depth"]["sell"] == [{"quantity": 0, "price": 0.0, "orders": 0}] * 5


def test_without_depth_and_trades():
    quote = a_quote(depth=None, traded_quantity=Decimal(0))
    (tick,) = read(frame([packet(quote, Mode.FULL)]))
    assert (tick["buy_quantity"], tick["sell_quantity"]) == (0, 0)
    assert len(tick["depth"]["buy"]) == len(tick["depth"]["sell"]) == 5


@pytest.mark.parametrize("mode", ["quote", "full"])
def test_the_sample_of_kite(mode):
    """Kite's own packet, read into a quote and written again, is the same to the last byte."""
    path = PAYLOADS / f"ticker_{mode}.packet"
    if not path.is_file():
        pytest.skip("the samples of the exchange are not here (../shared/data/exchange-payloads)")
    # The sample is one packet, without the frame around it.
    sample = base64.b64decode(path.read_text())
    said = json.loads((PAYLOADS / f"ticker_{mode}.json").read_text())
    (tick,) = read(b"\x00\x01" + len(sample).to_bytes(2) + sample)
    assert tick["mode"] == mode
    assert tick["ohlc"] == said["ohlc"]
    names = ("last_price", "last_quantity", "average_price", "volume")
    names += ("buy_quantity", "sell_quantity", "instrument_token")
    assert {name: tick[name] for name in names} == {name: said[name] for name in names}
    levels = said.get("depth", {"buy": [], "sell": []})
    if mode == "full":
        assert tick["depth"] == levels
    assert _rewritten(said, levels, mode)[2:46] == sample[:44]
    if mode == "full":
        assert _rewritten(said, levels, mode)[46:] == sample[44:]


def _rewritten(said, levels, mode):
    """Write the sample's numbers; totals are more than the five levels, so a sixth has the rest."""
    text = {name: Decimal(str(value)) for name, value in said["ohlc"].items()}
    sides = [
        [
            *(
                DepthLevel(Decimal(str(row["price"])), Decimal(row["quantity"]), row["orders"])
                for row in levels[side]
            ),
            *(DepthLevel(Decimal(0), Decimal(0), 0) for _ in range(5 - len(levels[side]))),
        ]
        for side in ("buy", "sell")
    ]
    for side, name in zip(sides, ("buy_quantity", "sell_quantity"), strict=True):
        shown = sum(level.quantity for level in side)
        side.append(DepthLevel(Decimal(1), said[name] - shown, 1))
    return packet(
        a_quote(
            instrument_token=said["instrument_token"],
            last_price=Decimal(str(said["last_price"])),
            last_quantity=Decimal(said["last_quantity"]),
            volume=Decimal(said["volume"]),
            open=text["open"],
            high=text["high"],
            low=text["low"],
            previous_close=text["close"],
            traded_quantity=Decimal(1),
            traded_value=Decimal(str(said["average_price"])),
            exchange_time=datetime.fromisoformat(
                said.get("timestamp", "2021-07-05T10:41:27+05:30")
            ),
            depth=Depth(tuple(sides[0]), tuple(sides[1])),
        ),
        mode,
    )


prices = st.decimals(0, 10**12, places=6)
sizes = st.decimals(0, 10**12, places=8)
levels_of = st.lists(st.builds(DepthLevel, prices, sizes, st.integers(0, 10**6)), max_size=10).map(
    tuple
)


@given(
    token=st.integers(1, MOST),
    numbers=st.lists(prices, min_size=5, max_size=5),
    amounts=st.lists(sizes, min_size=2, max_size=2),
    depth=st.none() | st.builds(Depth, levels_of, levels_of),
    mode=st.sampled_from(Mode),
)
def test_what_is_written_is_what_the_client_reads(token, numbers, amounts, depth, mode):
    last, opening, high, low, close = numbers
    quote = a_quote(
        instrument_token=token,
        last_price=last,
        open=opening,
        high=high,
        low=low,
        previous_close=close,
        last_quantity=amounts[0],
        volume=amounts[1],
        depth=depth,
    )
    divisor = {3: 10_000_000, 6: 10_000}.get(token & 255, 100)

    def shown(price):
        most = Decimal(MOST) / divisor
        return float(min(price.quantize(Decimal(1) / divisor, "ROUND_HALF_UP"), most))

    (tick,) = read(frame([packet(quote, mode)]))
    assert tick["instrument_token"] == token
    assert tick["last_price"] == pytest.approx(shown(last), rel=1e-12)
    assert tick["mode"] == mode
    if mode != Mode.LTP:
        expected = {"open": opening, "high": high, "low": low, "close": close}
        assert tick["ohlc"] == pytest.approx({k: shown(v) for k, v in expected.items()}, rel=1e-12)
    if "volume" in tick:
        assert tick["last_quantity"] == min(int(amounts[0]), MOST)
        assert tick["volume"] == min(int(amounts[1]), MOST)
    if "depth" in tick:
        bids = depth.bids if depth else ()
        assert [row["quantity"] for row in tick["depth"]["buy"]] == [
            *(min(int(level.quantity), MOST) for level in bids[:5]),
            *[0] * (5 - len(bids[:5])),
        ]


# ------------------------------------------------------------------------- messages


def test_what_clients_say():
    assert message_of('{"a":"subscribe","v":[1,"2",3.0]}') == Subscribe([1, 2, 3])
    assert message_of('{"a":"unsubscribe","v":[1]}') == Unsubscribe([1])
    assert message_of('{"a":"mode","v":["full",[1,"633601"]]}') == SetMode(Mode.FULL, [1, 633601])
    assert message_of('{"v":[],"a":"subscribe","x":1}') == Subscribe([])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        '{"a":"buy","v":[1]}',
        '{"a":"subscribe"}',
        '{"a":"subscribe","v":1}',
        '{"a":"subscribe","v":[true]}',
        '{"a":"subscribe","v":[0]}',
        '{"a":"subscribe","v":[-1]}',
        '{"a":"subscribe","v":[1.5]}',
        '{"a":"subscribe","v":["x"]}',
        '{"a":"subscribe","v":["٣"]}',
        '{"a":"subscribe","v":[null]}',
        '{"a":"subscribe","v":[[1]]}',
        '{"a":"subscribe","v":[2147483648]}',
        '{"a":"subscribe","v":[99999999999999999999999]}',
        '{"a":"subscribe","v":["99999999999999999999999"]}',
        '{"a":"mode","v":["full"]}',
        '{"a":"mode","v":["all",[1]]}',
        '{"a":"mode","v":[["full"],[1]]}',
        '{"a":["subscribe"],"v":[1]}',
        "[" * 50_000,
    ],
)
def test_nonsense_is_answered_with_words(text):
    with pytest.raises(ValueError, match=r"Messages are|Instrument tokens are") as caught:
        message_of(text)
    answer = orjson.loads(error_text(str(caught.value)))
    assert answer == {"type": "error", "data": str(caught.value)}
