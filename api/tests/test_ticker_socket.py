"""Kite's ticker: who gets in, what he hears, and when he is out again."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from accounts.models import ApiSession
from accounts.services.api_apps import revoke_app
from accounts.services.api_sessions import log_out, renew
from accounts.tests.api_apps import open_session
from api import consumers, stream_slots
from api.stream_slots import current_slots
from api.tests.sockets import (
    desk_of,
    fresh,
    in_database,
    link_to,
    linked,
    published,
    query_of,
    ticker_of,
    tokens_of_many,
)
from finbyte_site.suspension import suspend_user
from market import hub as hub_module
from market.domain.enums import Side
from market.domain.messages import OutcomeKind
from market.listeners import CLOSE_NOT_ALLOWED
from market.streams import push_event
from market.tests.factories import BTCUSDT, ONGC
from portfolio.models import Order
from portfolio.services import gateway as shards
from portfolio.services.executions import record_outcomes
from portfolio.tests.factories import (
    SHARD,
    fill,
    make_instrument,
    make_outcome,
    make_request,
    place,
)

pytestmark = pytest.mark.usefixtures("redis_client", "real_db")
NIFTY = 256265


# ------------------------------------------------------------------------- the handshake


async def refused(path, **more):
    is_open, code = await link_to(path, **more).connect(timeout=5)
    assert not is_open
    return code


async def test_only_a_live_token_of_this_key_opens_it(alice, bob, redis_client):
    hers, his = await desk_of(alice), await desk_of(bob)
    key, token = hers.made.app.api_key, hers.opened.access_token
    for query in (
        "",
        f"?api_key={key}",
        f"?access_token={token}",
        f"?api_key={key}&access_token=",
        f"?api_key={key}&access_token={token}x",
        f"?api_key={key}&access_token={token[:-1]}%00",
        f"?api_key={his.made.app.api_key}&access_token={token}",
        f"?api_key={key}&access_token={his.opened.access_token}",
        f"?api_key={key}&access_token={hers.made.secret}",
    ):
        for path in ("/", "/ws"):
            assert await refused(path + query) == 4403, query
    # Nothing else than the address counts: no cookie, no header.
    header = (b"authorization", hers.headers["authorization"].encode())
    assert await refused("/", headers=[header]) == 4403
    assert redis_client.keys("sockets:*") == []
    for path in ("/", "/ws"):
        async with ticker_of(hers, path):
            pass
    # Whatever page it is opened from: without the token nobody opens it.
    origin = (b"origin", b"https://evil.example")
    async with linked(f"/{query_of(hers)}&uid=1763707843000", headers=[origin]):
        pass


async def test_three_sockets_and_not_one_more(alice, bob):
    hers, his = await desk_of(alice), await desk_of(bob)
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(ticker_of(hers)) for _ in range(3)]
        assert await refused("/" + query_of(hers)) == 4429
        # Others have places of their own, and so has the stream.
        async with ticker_of(his):
            pass
        await links[0].disconnect()
        async with ticker_of(hers):
            assert await refused("/ws" + query_of(hers)) == 4429


async def test_two_users_of_one_app_do_not_take_each_others_places(alice, bob):
    hers = await desk_of(alice)
    opened = await in_database(open_session)(hers.made, bob, now=timezone.now())
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(ticker_of(hers))
        async with linked("/" + query_of(hers, opened.access_token)):
            pass


async def test_a_killed_process_leaves_its_places_for_seconds_only(
    alice, redis_client, monkeypatch
):
    assert stream_slots.KEEP_SECONDS <= 6
    assert stream_slots.RENEW_SECONDS * 2 < stream_slots.KEEP_SECONDS
    monkeypatch.setattr(stream_slots, "KEEP_SECONDS", 1)
    monkeypatch.setattr(stream_slots, "RENEW_SECONDS", 0.2)
    slots = current_slots()
    # Three places of a process that lives, and three that nobody renews.
    held = [await slots.claim("ticker:1:1") for _ in range(3)]
    for number in range(3):
        redis_client.zadd("sockets:ticker:2:2", {f"dead{number}": int(_ms(redis_client)) + 600})
    assert await slots.claim("ticker:1:1") is None
    assert await slots.claim("ticker:2:2") is None
    await asyncio.sleep(1.2)
    assert await slots.claim("ticker:1:1") is None
    found = await slots.claim("ticker:2:2")
    assert found is not None
    for slot in (*held, found):
        await slots.release(slot)
    assert redis_client.keys("sockets:*") == []


def _ms(client):
    seconds, micros = client.time()
    return seconds * 1000 + micros / 1000


async def test_without_redis_nobody_can_say_who_may(alice, monkeypatch):
    hers = await desk_of(alice)

    def away(*_):
        raise redis.ConnectionError("away")

    monkeypatch.setattr(stream_slots, "_claim", away)
    assert await refused("/" + query_of(hers)) == 4503


# ------------------------------------------------------------------------- prices


async def test_a_snapshot_at_once_and_then_every_change(alice, redis_client):
    hers = await desk_of(alice)
    await published(redis_client, fresh("262.05", sequence=1))
    async with ticker_of(hers) as link:
        await link.say(a="subscribe", v=[ONGC])
        (tick,) = await link.said()
        assert (tick["mode"], tick["last_price"], tick["volume"]) == ("quote", 262.05, 1000)
        await published(redis_client, fresh("261.9", sequence=2))
        (tick,) = await link.said()
        assert (tick["mode"], tick["last_price"]) == ("quote", 261.9)
        await link.say(a="mode", v=["full", [str(ONGC)]])
        (tick,) = await link.said()
        assert (tick["mode"], tick["last_price"], tick["oi"]) == ("full", 261.9, 0)
        await link.say(a="unsubscribe", v=[ONGC])
        await published(redis_client, fresh("260", sequence=3))
        assert await link.hears_nothing()


async def test_the_mode_alone_subscribes_and_a_late_subscribe_keeps_it(alice, redis_client):
    """As the Python client comes back: on_connect subscribes, then the client itself does."""
    hers = await desk_of(alice)
    await published(
        redis_client, fresh("1", sequence=1), fresh("2", sequence=1, token=NIFTY),
        fresh("3", sequence=1, token=BTCUSDT),
    )  # fmt: skip
    async with ticker_of(hers) as link:
        await link.say(a="mode", v=["ltp", [ONGC]])
        assert [tick["mode"] for tick in await link.said()] == ["ltp"]
        for _ in range(2):
            await link.say(a="subscribe", v=[ONGC, NIFTY, BTCUSDT])
            assert [(t["instrument_token"], t["mode"]) for t in await link.said()] == [
                (NIFTY, "quote"),
                (ONGC, "ltp"),
                (BTCUSDT, "quote"),
            ]
        await link.say(a="mode", v=["full", [NIFTY]])
        (tick,) = await link.said()
        assert (tick["mode"], tick["tradable"]) == ("full", False)
        await published(redis_client, fresh("4", sequence=2), fresh("5", sequence=2, token=NIFTY))
        assert [(t["mode"], t["last_price"]) for t in await link.said()] == [
            ("full", 5.0),
            ("ltp", 4.0),
        ]


async def test_sockets_that_watch_the_same_get_the_very_same_bytes(
    alice, redis_client, monkeypatch
):
    hers = await desk_of(alice)
    packed = []
    pack = consumers.TICKER.pack
    monkeypatch.setattr(
        consumers.TICKER, "pack", lambda *args: packed.append(args[1]) or pack(*args)
    )
    async with ticker_of(hers) as one, ticker_of(hers) as two, ticker_of(hers) as other:
        for link in (one, two):
            await link.say(a="mode", v=["full", [ONGC]])
        await other.say(a="mode", v=["ltp", [ONGC]])
        await other.say(a="subscribe", v=[NIFTY])
        await other.say(a="nonsense")
        assert (await other.said())["type"] == "error"
        await published(redis_client, fresh("7", sequence=1), fresh("8", sequence=1, token=NIFTY))
        frames = []
        for link in (one, two, other):
            while (frame := (await link.receive_output(timeout=3)).get("bytes")) in {None, b"\x00"}:
                pass
            frames.append(frame)
        assert frames[0] is frames[1]
        assert sorted(packed) == ["full", "ltp", "quote"]


async def test_at_most_ten_frames_a_second(alice, redis_client):
    assert consumers.TICKER.seconds == consumers.STREAM.seconds == 0.1
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        await link.say(a="mode", v=["ltp", [ONGC]])
        for number in range(1, 31):
            await published(redis_client, fresh(str(number), sequence=number))
            await asyncio.sleep(0.01)
        ticks = []
        while not ticks or ticks[-1][0]["last_price"] != 30.0:
            ticks.append(await link.said())
        assert 2 <= len(ticks) <= 15


async def test_a_heartbeat_every_second_whatever_else(alice, redis_client):
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        clock = asyncio.get_running_loop().time
        beats = []
        while len(beats) < 3:
            message = await link.receive_output(timeout=3)
            assert message == {"type": "websocket.send", "bytes": b"\x00"}
            beats.append(clock())
        assert 1.5 < beats[2] - beats[0] < 3.0


# ------------------------------------------------------------------------- what is refused


async def test_nonsense_is_answered_and_the_link_stays(alice, redis_client):
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        for text in ("no json", "{}", '{"a":"mode","v":["x",[1]]}', '{"a":"subscribe","v":[-1]}'):
            await link.send_to(text_data=text)
            answer = await link.said()
            assert answer["type"] == "error"
            assert isinstance(answer["data"], str)
        await link.send_to(bytes_data=b"\x01")
        assert (await link.said())["type"] == "error"
        await link.say(a="subscribe", v=[ONGC, 5, 7])
        assert await link.said() == {
            "type": "error",
            "data": "Unknown instrument tokens, 2 in all: 5, 7.",
        }
        await published(redis_client, fresh("3", sequence=1))
        assert (await link.said())[0]["last_price"] == 3.0


async def test_three_thousand_instruments_and_not_one_more(alice, redis_client):
    hers = await desk_of(alice)
    many = await tokens_of_many(3001)
    async with ticker_of(hers) as link:
        await link.say(a="mode", v=["ltp", many[:2999]])
        await link.say(a="subscribe", v=many[2999:])
        answer = await link.said()
        assert answer["type"] == "error"
        assert "3000 instruments" in answer["data"]
        # Nothing of what was too much is watched.
        await published(
            redis_client, *(fresh("9", sequence=1, token=token) for token in many[2998:])
        )
        assert [tick["instrument_token"] for tick in await link.said()] == [2999]
        await link.say(a="subscribe", v=many[2999:3000])
        assert [tick["instrument_token"] for tick in await link.said()] == [3000]


async def test_a_flood_is_cut_off(alice, monkeypatch):
    monkeypatch.setattr(consumers.ProgramConsumer, "message_burst", 5.0)
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        for _ in range(7):
            await link.say(a="subscribe", v=[])
        assert await link.said() == {"type": "error", "data": "Too many messages."}
        assert await link.said() is None
        assert link.code == 4400


# ------------------------------------------------------------------------- orders


def accepted_and_filled(order_id, now):
    """Do what the gateway does."""
    fence = shards.acquire_shard(SHARD, owner="test")
    claim = shards.claim_ready(SHARD, fence=fence, now=timezone.now())
    assert len(claim.tickets) == 1
    outcome = make_outcome(order_id, OutcomeKind.ACCEPTED)
    record_outcomes([outcome], shard=SHARD, fence=fence, now=now)
    fill(order_id, 10, 260, now=now)


async def order_updates(link, number):
    found = [await link.said() for _ in range(number)]
    assert all(each["type"] == "order" for each in found)
    return [each["data"] for each in found]


async def test_every_change_of_an_order_reaches_every_socket_of_its_user(alice, bob, redis_client):
    hers, his = await desk_of(alice), await desk_of(bob)
    now = timezone.now()
    async with ticker_of(hers) as one, ticker_of(hers, "/ws") as two, ticker_of(his) as other:
        request = make_request(
            make_instrument_now := await in_database(make_instrument)(), quantity=10
        )
        assert make_instrument_now.pk == ONGC
        clock = asyncio.get_running_loop().time
        started = clock()
        (placed,) = await in_database(place)(hers.book, request, last=260, now=now)
        for link in (one, two):
            (update,) = await order_updates(link, 1)
            assert clock() - started < 1.0
            assert update["order_id"] == str(placed.order_id)
            assert (update["status"], update["pending_quantity"]) == ("PUT ORDER REQ RECEIVED", 10)
            assert update["user_id"] == hers.user.public_id
            assert (update["checksum"], update["app_id"], update["tag"]) == ("", 0, None)
        started = clock()
        await in_database(accepted_and_filled)(placed.order_id, now)
        updates = await order_updates(one, 3)
        assert clock() - started < 1.0
        assert [each["status"] for each in updates] == ["VALIDATION PENDING", "OPEN", "COMPLETE"]
        assert (updates[-1]["filled_quantity"], updates[-1]["average_price"]) == (10, 260)
        assert [each["status"] for each in await order_updates(two, 3)][-1] == "COMPLETE"
        assert await other.hears_nothing()


async def test_many_orders_at_once_are_told_one_by_one(alice, redis_client):
    """Pages are told to reload their list; programs still hear of each."""
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        ongc = await in_database(make_instrument)()
        requests = [make_request(ongc, price=200 + n, quantity=1) for n in range(12)]
        placed = await in_database(place)(hers.book, *requests, last=260, now=timezone.now())
        updates = await order_updates(link, 12)
        assert [each["order_id"] for each in updates] == [str(each.order_id) for each in placed]
        assert [each["price"] for each in updates] == list(range(200, 212))
        assert await link.hears_nothing()


async def test_orders_are_looked_up_once_for_all_sockets_and_not_at_all_without(
    alice, redis_client, monkeypatch
):
    from api import stream_orders  # noqa: PLC0415 - to count its reads

    reads = []
    read = stream_orders.lives_of
    monkeypatch.setattr(stream_orders, "lives_of", lambda ids: reads.append(1) or read(ids))
    hers = await desk_of(alice)
    ongc = await in_database(make_instrument)()
    now = timezone.now()
    await in_database(place)(hers.book, make_request(ongc, quantity=1), last=260, now=now)
    assert reads == []
    async with ticker_of(hers) as one, ticker_of(hers) as two:
        await in_database(place)(hers.book, make_request(ongc, quantity=2), last=260, now=now)
        for link in (one, two):
            (update,) = await order_updates(link, 1)
            assert update["quantity"] == 2
        assert len(reads) == 1


async def test_what_redis_lost_is_told_all_the_same(alice, redis_client, monkeypatch):
    """An event that was not delivered is noticed by the number of the next one."""
    hers = await desk_of(alice)
    ongc = await in_database(make_instrument)()
    now = timezone.now()
    async with ticker_of(hers) as link:
        with monkeypatch.context() as patch:
            # Numbered and kept, but published where nobody listens.
            patch.setattr("market.streams.user_channel", lambda _: "nowhere")
            await in_database(place)(hers.book, make_request(ongc, quantity=1), last=260, now=now)
        assert await link.hears_nothing()
        await in_database(place)(hers.book, make_request(ongc, quantity=2), last=260, now=now)
        assert [each["quantity"] for each in await order_updates(link, 2)] == [1, 2]


async def test_other_events_are_not_for_the_ticker(alice, redis_client):
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        for kind in ("trade", "balance", "bot", "alert"):
            await asyncio.to_thread(push_event, alice.pk, kind, {"id": 1})
        assert await link.hears_nothing()


# ------------------------------------------------------------------------- the end of a session


def by_the_app(desk):
    log_out(
        desk.made.app.api_key,
        access_token=desk.opened.access_token,
        client_address=None,
        now=timezone.now(),
    )


def by_a_newer_log_in(desk):
    open_session(desk.made, desk.user, now=timezone.now())


def by_suspension(desk):
    from accounts.models import User  # noqa: PLC0415

    staff = User.objects.get(email="staff@example.com")
    suspend_user(desk.user, actor=staff, reason="odd", client_address=None, now=timezone.now())


def by_the_end_of_the_app(desk):
    revoke_app(desk.made.app, actor=desk.user, client_address=None, now=timezone.now())


@pytest.mark.parametrize(
    "end", [by_the_app, by_a_newer_log_in, by_suspension, by_the_end_of_the_app]
)
async def test_an_ended_session_closes_its_sockets_within_two_seconds(alice, bob, staff, end):
    hers, his = await desk_of(alice), await desk_of(bob)
    clock = asyncio.get_running_loop().time
    async with ticker_of(hers) as link, ticker_of(his) as other:
        started = clock()
        await in_database(end)(hers)
        assert await link.said() == {
            "type": "error",
            "data": "The session has ended. Log in again.",
        }
        assert await link.said() is None
        assert clock() - started < 2.0
        assert link.code == CLOSE_NOT_ALLOWED
        assert await refused("/" + query_of(hers)) == 4403
        assert await other.hears_nothing()


async def test_a_renewed_session_closes_what_its_older_token_opened(alice, redis_client):
    hers = await desk_of(alice)
    assert hers.opened.refresh_token
    async with ticker_of(hers) as link:
        signed = hers.made.signed(hers.opened.refresh_token)
        renewed = await in_database(renew)(signed, now=timezone.now())
        assert (await link.said())["type"] == "error"
        assert await link.said() is None
    assert await refused("/" + query_of(hers)) == 4403
    async with linked("/" + query_of(hers, renewed.access_token)):
        pass


async def test_at_six_in_the_morning_it_ends_by_itself(alice, monkeypatch):
    hers = await desk_of(alice)
    ends_at = timezone.now() + timedelta(seconds=1)
    await in_database(ApiSession.objects.update)(expires_at=ends_at)
    async with ticker_of(hers) as link:
        assert (await link.said())["data"] == "The session has ended. Log in again."
        assert ends_at <= timezone.now() < ends_at + timedelta(seconds=2)
        assert await link.said() is None


async def test_an_end_that_nobody_told_of_is_found_within_a_minute(alice, monkeypatch):
    assert hub_module.ACCESS_CHECK_SECONDS == 60
    monkeypatch.setattr(hub_module, "ACCESS_CHECK_SECONDS", 0.05)
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        await in_database(ApiSession.objects.update)(ended_at=timezone.now())
        assert (await link.said())["type"] == "error"
        assert await link.said() is None


async def test_an_order_of_a_program_carries_its_app_and_tag(alice, redis_client):
    hers = await desk_of(alice)
    async with ticker_of(hers) as link:
        await published(redis_client, fresh("260", sequence=1))
        answer = await in_database(hers.post)(
            "/orders/regular", exchange="NSE", tradingsymbol="ONGC", transaction_type="BUY",
            quantity=1, product="CNC", order_type="LIMIT", price=250, tag="mine",
        )  # fmt: skip
        assert answer.status_code == 200, answer.content
        order_id = answer.json()["data"]["order_id"]
        (update,) = await order_updates(link, 1)
        assert (update["order_id"], update["tag"]) == (order_id, "mine")
        assert update["app_id"] == hers.made.app.pk
        order = await in_database(Order.objects.get)(pk=int(order_id))
        assert (order.side, update["transaction_type"]) == (Side.BUY, "BUY")


async def test_a_session_that_ends_while_the_socket_opens_is_noticed(
    alice, redis_client, monkeypatch
):
    """What is said of sessions before the hub listens is said to nobody."""
    hers = await desk_of(alice)
    join = hub_module.Hub.join

    async def end_before(hub, listener):
        await in_database(by_the_app)(hers)
        return await join(hub, listener)

    monkeypatch.setattr(hub_module.Hub, "join", end_before)
    async with ticker_of(hers) as link:
        assert (await link.said())["data"] == "The session has ended. Log in again."
        assert await link.said() is None
        assert link.code == CLOSE_NOT_ALLOWED


async def test_an_order_is_told_however_early_it_comes(alice, redis_client, monkeypatch):
    """To a program that sees its socket open the hub listens already."""
    hers = await desk_of(alice)
    ongc = await in_database(make_instrument)()
    first = hub_module.Hub._attend

    async def late(hub, user_id):
        await asyncio.sleep(0.3)
        await first(hub, user_id)

    monkeypatch.setattr(hub_module.Hub, "_attend", late)
    async with ticker_of(hers) as link:
        request = make_request(ongc, quantity=3)
        await in_database(place)(hers.book, request, last=260, now=timezone.now())
        assert [each["quantity"] for each in await order_updates(link, 1)] == [3]
