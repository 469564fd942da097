"""Our own stream: symbols, exact numbers, events with numbers, and what was missed."""

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.services.api_sessions import log_out
from api import stream
from api.consumers import MOST_REPLAYS
from api.tests.sockets import (
    desk_of,
    fresh,
    in_database,
    link_to,
    linked,
    published,
    stream_of,
    ticker_of,
)
from finbyte_site.redaction import HIDDEN, redacted
from market.domain.ticks import Depth, DepthLevel
from market.streams import push_event
from market.tests.factories import BTCUSDT, ONGC
from portfolio.tests.factories import make_instrument, make_request, place, trade_now


async def refused(path, **more):
    is_open, code = await link_to(path, **more).connect(timeout=5)
    assert not is_open
    return code


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_programs_come_with_the_header_and_pages_with_a_token_that_works_once(
    alice, redis_client
):
    hers = await desk_of(alice)
    header = hers.headers["authorization"].encode()
    key, token = hers.made.app.api_key, hers.opened.access_token
    for headers, query in (
        ((), ""),
        ((), f"?api_key={key}&access_token={token}"),
        ((), f"?token={token}"),
        ([(b"authorization", header + b"x")], ""),
        ([(b"authorization", b"Bearer " + token.encode())], ""),
        ([(b"cookie", f"finbyte_session={token}".encode())], ""),
    ):
        assert await refused(f"/stream{query}", headers=headers) == 4403
    answer = await in_database(hers.post)("/session/stream_token")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    data = answer.json()["data"]
    assert data["expires_in"] == 60
    (kept,) = redis_client.keys("stream:token:*")
    assert data["token"].encode() not in kept
    assert 0 < redis_client.ttl(kept) <= 60
    async with linked(f"/stream?token={data['token']}") as link:
        assert (await link.said())["t"] == "hello"
    assert await refused(f"/stream?token={data['token']}") == 4403
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(stream_of(hers))
        assert await refused("/stream", headers=[(b"authorization", header)]) == 4429
        # Kite's ticker has places of its own.
        async with ticker_of(hers):
            pass


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_a_token_asked_for_before_the_log_out_opens_nothing(alice):
    hers = await desk_of(alice)
    answer = await in_database(hers.post)("/session/stream_token")
    await in_database(log_out)(
        hers.made.app.api_key,
        access_token=hers.opened.access_token,
        client_address=None,
        now=timezone.now(),
    )
    assert await refused(f"/stream?token={answer.json()['data']['token']}") == 4403
    assert (await in_database(hers.post)("/session/stream_token")).status_code == 403


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_prices_are_exact_by_symbol_and_mode(alice, redis_client):
    hers = await desk_of(alice)
    depth = Depth((DepthLevel(Decimal("98765.4321"), Decimal("0.00017"), 2),), ())
    await published(
        redis_client, fresh("262.05", sequence=1), fresh("98765.4321", sequence=1, token=BTCUSDT, depth=depth)
    )  # fmt: skip
    async with stream_of(hers) as link:
        await link.say(a="subscribe", symbols=["NSE:ONGC", "NSE:NOTHING"], mode="ltp")
        answer = await link.said()
        (row,) = answer["quotes"]
        assert answer["t"] == "quotes"
        assert set(row) == {"symbol", "instrument_token", "last_price", "exchange_time", "is_stale"}
        assert (row["symbol"], row["instrument_token"]) == ("NSE:ONGC", ONGC)
        assert (row["last_price"], row["is_stale"]) == ("262.05", False)
        assert await link.said() == {
            "t": "error",
            "message": "Unknown symbols, 1 in all: NSE:NOTHING.",
        }
        await link.say(a="subscribe", symbols=["BINANCE:BTCUSDT"], mode="full")
        (row,) = (await link.said())["quotes"]
        assert row["depth"] == {
            "buy": [{"price": "98765.4321", "quantity": "0.00017", "orders": 2}],
            "sell": [],
        }
        assert (row["last_quantity"], row["ohlc"]["close"]) == ("10", "260")
        # Without a mode those watched keep theirs.
        await link.say(a="subscribe", symbols=["NSE:ONGC"])
        assert "ohlc" not in (await link.said())["quotes"][0]
        await link.say(a="unsubscribe", symbols=["BINANCE:BTCUSDT"])
        await link.say(a="ping")
        assert await link.said() == {"t": "pong"}
        await published(
            redis_client, fresh("263", sequence=2), fresh("9", sequence=2, token=BTCUSDT)
        )
        assert [each["last_price"] for each in (await link.said())["quotes"]] == ["263"]


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_events_come_in_the_words_of_the_api_and_to_their_user_only(alice, bob, redis_client):
    hers, his = await desk_of(alice), await desk_of(bob)
    ongc = await in_database(make_instrument)()
    async with stream_of(hers) as link, stream_of(his) as other:
        await in_database(trade_now)(hers.book, ongc, quantity=3, price="261.5", now=timezone.now())
        events = []
        while not events or events[-1]["kind"] != "balance":
            events.append(await link.said())
        assert [each["seq"] for each in events] == list(
            range(link.newest + 1, link.newest + 1 + len(events))
        )
        orders = [row for e in events if e["kind"] == "order" for row in e["data"]["orders"]]
        assert [orders[0]["status"], orders[-1]["status"]] == ["PUT ORDER REQ RECEIVED", "COMPLETE"]
        found = await in_database(hers.get)(f"/orders/{orders[0]['order_id']}")
        assert orders[-1] == found.json()["data"][-1]
        (trade,) = [each["data"] for each in events if each["kind"] == "trade"]
        assert {k: v for k, v in trade.items() if k != "trade_id"} == {
            "order_id": orders[0]["order_id"],
            "instrument_token": ONGC,
            "transaction_type": "BUY",
            "quantity": "3",
            "average_price": "261.5",
        }
        await asyncio.to_thread(push_event, alice.pk, "bot", {"id": 7, "status": "RUNNING"})
        assert (await link.said())["data"] == {"id": 7, "status": "RUNNING"}
        assert await other.hears_nothing()


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_what_was_missed_comes_again_or_the_program_must_read_anew(alice, redis_client):
    hers = await desk_of(alice)
    ongc = await in_database(make_instrument)()
    requests = [make_request(ongc, price=price, quantity=1) for price in (250, 251)]
    for request in requests:
        await in_database(place)(hers.book, request, last=260, now=timezone.now())
    async with stream_of(hers, "?after=0") as link:
        first, second = await link.said(), await link.said()
        newest = link.newest
        assert [first["seq"], second["seq"]] == [newest - 1, newest]
        assert [each["data"]["orders"][0]["price"] for each in (first, second)] == [250, 251]
        await link.say(a="replay", after=newest - 1)
        assert await link.said() == second
        await link.say(a="replay", after=newest)
        await link.say(a="replay", after=newest + 5)
        assert await link.said() == {"t": "resync", "seq": newest}
        redis_client.ltrim(f"events:{alice.pk}:ring", -1, -1)
        await link.say(a="replay", after=0)
        assert await link.said() == {"t": "resync", "seq": newest}


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_nobody_has_everything_said_again_and_again(alice):
    hers = await desk_of(alice)
    await in_database(push_event)(alice.pk, "balance", {})
    async with stream_of(hers) as link:
        for _ in range(MOST_REPLAYS + 1):
            await link.say(a="replay", after=0)
        heard = [await link.said() for _ in range(MOST_REPLAYS + 1)]
        assert [each["t"] for each in heard] == ["event"] * MOST_REPLAYS + ["error"]
        assert heard[-1]["message"].startswith("At most 20 replays in 20 seconds")
        # The socket stays, and hears what happens.
        await in_database(push_event)(alice.pk, "balance", {})
        assert (await link.said())["seq"] == heard[0]["seq"] + 1


NONSENSE = [
    "",
    "no json",
    "[]",
    "{}",
    '{"a":"buy"}',
    '{"a":"subscribe"}',
    '{"a":"subscribe","symbols":"NSE:ONGC"}',
    '{"a":"subscribe","symbols":[1]}',
    '{"a":"subscribe","symbols":["NSE:\\u0000"]}',
    '{"a":"subscribe","symbols":["NSE:ONGC"],"mode":"all"}',
    '{"a":"subscribe","symbols":["NSE:ONGC"],"mode":["ltp"]}',
    '{"a":"replay"}',
    '{"a":"replay","after":-1}',
    '{"a":"replay","after":true}',
    '{"a":"replay","after":"x"}',
]


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_answered_with_words(text):
    with pytest.raises(ValueError, match=r"Messages:|`symbols`|`mode`|`after`"):
        stream.message_of(text)


@pytest.mark.usefixtures("redis_client", "real_db")
async def test_the_link_stays_after_nonsense_and_takes_three_thousand_symbols(alice):
    hers = await desk_of(alice)
    async with stream_of(hers) as link:
        for text in NONSENSE[1:4]:
            await link.send_to(text_data=text)
            assert (await link.said())["t"] == "error"
        await link.say(a="subscribe", symbols=[f"NSE:X{n}" for n in range(3001)])
        assert "3000 instruments" in (await link.said())["message"]


@pytest.mark.parametrize(
    "line",
    [
        "GET /?api_key=abcdefgh12345678&access_token=%s HTTP/1.1",
        "WebSocket / ?uid=1&access_token=%s&api_key=abcdefgh12345678",
        "{'query_string': b'api_key=abcdefgh12345678&access_token=%s'}",
        "GET /stream?token=%s",
        "(b'authorization', b'token abcdefgh12345678:%s')",
    ],
)
def test_no_log_holds_a_token_of_an_address(line):
    token = "Ab3-" * 10 + "xyz"
    written = redacted(line % token)
    assert token not in written
    assert HIDDEN in written
