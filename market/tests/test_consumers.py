import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import orjson
import pytest
import redis
from autobahn.twisted.websocket import WebSocketServerFactory
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from market import hub as hub_module
from market import socket_groups
from market.console_writer import CONSOLE
from market.consumers import ConsoleConsumer
from market.hub import current_hub
from market.listeners import (
    CLOSE_GONE,
    CLOSE_NOT_ALLOWED,
    CLOSE_TOO_MANY,
    CLOSE_TOO_SLOW,
    Listener,
    Listing,
)
from market.services.instruments import seed_set
from market.sockets import framed, protocol_of
from market.streams import missed_events, push_event, put_ticks, recheck_access
from market.tests.factories import BTCUSDT, ONGC, quote_of

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def stage(redis_client, monkeypatch):
    """Know the seed set without a database and make rounds quick."""
    known = {row.pk: row.spec for row in seed_set()}

    def listings(tokens):
        return {
            token: Listing(known[token].symbol, 2, known[token].freshness_limit)
            for token in tokens
            if token in known
        }

    monkeypatch.setattr(hub_module, "listings_of", listings)
    monkeypatch.setattr(CONSOLE, "seconds", 0.05)
    monkeypatch.setattr(hub_module, "STALE_CHECK_SECONDS", 0.05)


@pytest.fixture
def cast():
    return [
        get_user_model()(pk=number, public_id=f"FB000{number}", email=f"{number}@example.com")
        for number in (1, 2)
    ]


def fresh(price, *, sequence, token=ONGC, age=0.0):
    now = timezone.now() - timedelta(seconds=age)
    return quote_of(price, token=token, sequence=sequence, received_at=now, exchange_time=now)


async def always():
    return True


async def never():
    return False


def socket_of(user, is_allowed=always, *, subject=None):
    socket = WebsocketCommunicator(ConsoleConsumer.as_asgi(), "/ws/console")
    socket.scope |= {"user": user, "is_allowed": is_allowed, "subject": subject or user}
    return socket


@asynccontextmanager
async def page(user, is_allowed=always, *, subject=None):
    socket = socket_of(user, is_allowed, subject=subject)
    accepted, _ = await socket.connect()
    assert accepted
    hello = orjson.loads(await socket.receive_from())
    assert (hello["t"], hello["user"]) == ("hello", (subject or user).public_id)
    yield socket
    await socket.disconnect()


async def said(socket):
    return orjson.loads(await socket.receive_from(timeout=2))


async def say(socket, **message):
    await socket.send_to(text_data=orjson.dumps(message).decode())


async def watching(socket, *tokens):
    await say(socket, a="subscribe", v=tokens)
    await say(socket, a="ping")
    assert await said(socket) == {"t": "pong"}


async def published(client, *quotes):
    await asyncio.to_thread(put_ticks, client, quotes)


async def test_nobody_without_a_session_gets_in(cast):
    for user in (None, AnonymousUser()):
        socket = WebsocketCommunicator(ConsoleConsumer.as_asgi(), "/ws/console")
        if user is not None:
            socket.scope["user"] = user
        accepted, code = await socket.connect()
        assert (accepted, code) == (False, CLOSE_NOT_ALLOWED)


async def test_a_page_gets_what_is_known_and_then_every_change(cast, redis_client):
    await published(redis_client, fresh("262.05", sequence=1))
    async with page(cast[0]) as socket:
        await say(socket, a="subscribe", v=[ONGC])
        (row,) = (await said(socket))["q"]
        assert (row["i"], row["p"], row["c"], row["cp"], row["s"]) == (
            ONGC,
            "262.05",
            "+2.05",
            "+0.79",
            "ok",
        )
        await published(redis_client, fresh("261.9", sequence=2))
        (row,) = (await said(socket))["q"]
        assert (row["p"], row["c"]) == ("261.90", "+1.90")


async def test_ticks_between_two_rounds_are_one_frame_with_the_newest_of_each(
    cast, redis_client, monkeypatch
):
    monkeypatch.setattr(CONSOLE, "seconds", 0.5)
    async with page(cast[0]) as socket:
        await watching(socket, ONGC, BTCUSDT)
        for number in range(2, 12):
            await published(
                redis_client,
                fresh(str(number), sequence=number),
                fresh(str(number), sequence=number, token=BTCUSDT),
            )
        # The first change goes out at once; what follows within the round is one frame.
        frames = [(await said(socket))["q"]]
        if frames[0][0]["p"] != "11.00":
            frames.append((await said(socket))["q"])
        assert [(row["i"], row["p"]) for row in frames[-1]] == [(ONGC, "11.00"), (BTCUSDT, "11.00")]
        assert await socket.receive_nothing(timeout=0.7)


async def test_pages_get_only_what_they_watch(cast, redis_client):
    async with page(cast[0]) as first, page(cast[1]) as second:
        await watching(first, ONGC)
        await watching(second, ONGC, BTCUSDT)
        await say(second, a="unsubscribe", v=[ONGC])
        await watching(second, BTCUSDT)
        await published(redis_client, fresh("1", sequence=1), fresh("2", sequence=1, token=BTCUSDT))
        assert [row["i"] for row in (await said(first))["q"]] == [ONGC]
        assert [row["i"] for row in (await said(second))["q"]] == [BTCUSDT]


async def test_an_old_price_is_shown_as_stale_and_a_new_one_as_fresh(cast, redis_client):
    await published(redis_client, fresh("262", sequence=1, age=9.8))
    async with page(cast[0]) as socket:
        await say(socket, a="subscribe", v=[ONGC])
        assert (await said(socket))["q"][0]["s"] == "ok"
        (row,) = (await said(socket))["q"]
        assert row["s"] == "stale"
        assert row["age"] >= 10
        await published(redis_client, fresh("263", sequence=2))
        assert (await said(socket))["q"][0]["s"] == "ok"


async def test_private_events_reach_their_user_only(cast):
    alice, bob = cast
    async with page(alice) as hers, page(alice) as second, page(bob) as his:
        await asyncio.to_thread(push_event, alice.pk, "order", {"id": 5})
        for socket in (hers, second):
            assert await said(socket) == {
                "t": "event",
                "seq": 1,
                "kind": "order",
                "data": {"id": 5},
            }
        assert await his.receive_nothing(timeout=0.2)


async def test_a_page_that_comes_back_gets_what_it_missed(cast):
    alice = cast[0]
    for number in range(3):
        await asyncio.to_thread(push_event, alice.pk, "order", {"id": number})
    async with page(alice) as socket:
        await say(socket, a="resume", seq=1)
        assert [(await said(socket))["seq"] for _ in range(2)] == [2, 3]
        await say(socket, a="resume", seq=99)
        assert await said(socket) == {"t": "resync", "seq": 3}


NONSENSE = [
    "no json",
    "[]",
    "{}",
    '{"a":"buy"}',
    '{"a":"subscribe"}',
    '{"a":"subscribe","v":["x"]}',
    '{"a":"subscribe","v":[true]}',
    '{"a":"subscribe","v":[99999999999999999999]}',
    '{"a":"subscribe","v":[123]}',
    '{"a":"resume","seq":-1}',
    '{"a":["x"],"v":1}',
]


async def test_nonsense_is_answered_and_changes_nothing(cast):
    async with page(cast[0]) as socket:
        for text in NONSENSE:
            await socket.send_to(text_data=text)
            assert (await said(socket))["t"] == "error", text
        await say(socket, a="ping")
        assert await said(socket) == {"t": "pong"}


async def test_too_many_instruments_are_refused(cast):
    async with page(cast[0]) as socket:
        await say(socket, a="subscribe", v=list(range(1, 502)))
        assert "500" in (await said(socket))["message"]


async def test_a_flood_is_cut_off(cast):
    async with page(cast[0]) as socket:
        for _ in range(150):
            await say(socket, a="ping")
        while (message := await socket.receive_output())["type"] != "websocket.close":
            pass
        assert message["code"] == 4400


async def test_the_hub_rests_when_the_last_page_is_gone(cast):
    async with page(cast[0]):
        assert current_hub()._tasks
    assert not current_hub()._tasks


async def test_the_socket_of_a_session_that_ended_is_closed(cast, monkeypatch):
    monkeypatch.setattr(hub_module, "ACCESS_CHECK_SECONDS", 0.05)
    async with page(cast[0], never) as socket:
        message = await socket.receive_output(timeout=2)
        assert (message["type"], message["code"]) == ("websocket.close", CLOSE_NOT_ALLOWED)


def test_sessions_are_looked_at_again_every_minute():
    assert hub_module.ACCESS_CHECK_SECONDS <= 60


async def test_an_ended_session_closes_its_sockets_at_once_and_no_others(cast):
    alice, bob = cast
    async with page(alice, never) as ended, page(alice) as going, page(bob, never) as his:
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(recheck_access, [alice.pk])
        message = await ended.receive_output(timeout=2)
        assert (message["type"], message["code"]) == ("websocket.close", CLOSE_NOT_ALLOWED)
        assert asyncio.get_running_loop().time() - started < 2
        assert await going.receive_nothing(timeout=0.1)
        # Nobody asked about bob: his turn comes within the minute.
        assert await his.receive_nothing(timeout=0.1)


async def test_where_nobody_can_say_the_page_is_sent_to_ask_again(cast, caplog):
    async def broken():
        raise ConnectionError("no database")

    async with page(cast[0], broken) as socket:
        await asyncio.to_thread(recheck_access, [cast[0].pk])
        message = await socket.receive_output(timeout=2)
        assert (message["type"], message["code"]) == ("websocket.close", CLOSE_GONE)
    assert "access check failed" in caplog.text


async def test_a_user_has_twenty_sockets_and_not_one_more(cast):
    alice, bob = cast
    async with AsyncExitStack() as pages:
        for number in range(CONSOLE.most_sockets):
            await pages.enter_async_context(page(alice, subject=bob if number % 2 else alice))
        socket = socket_of(alice)
        await socket.connect()
        message = await socket.receive_output(timeout=2)
        assert (message["type"], message["code"]) == ("websocket.close", CLOSE_TOO_MANY)
        # Who looks at somebody's account takes none of his sockets.
        async with page(bob):
            assert CONSOLE.most_sockets == 20
    async with page(alice):
        assert len(current_hub()._listeners) == 1


class FakeSocket:
    """A listener whose buffer we fill by hand."""

    def __init__(self, user_id):
        self.frames, self.codes = [], []
        self.listener = Listener(user_id, CONSOLE, self.send, self.close, self.allowed)

    async def send(self, text):
        self.frames.append(orjson.loads(text))

    async def close(self, code):
        self.codes.append(code)

    async def allowed(self):
        return True


async def test_a_slow_socket_is_skipped_then_gets_the_newest_then_is_dropped(
    cast, redis_client, monkeypatch
):
    slow, quick = FakeSocket(cast[0].pk), FakeSocket(cast[1].pk)
    hub = current_hub()
    for socket in (slow, quick):
        await hub.join(socket.listener)
        await hub.watch(socket.listener, {ONGC: ""})
    slow.listener.pressure.pauseProducing()
    for number in range(1, 5):
        await published(redis_client, fresh(str(number), sequence=number))
        await asyncio.sleep(0.1)
    assert len(quick.frames) == 4
    assert slow.frames == []
    slow.listener.pressure.resumeProducing()
    await asyncio.sleep(0.2)
    assert [row["p"] for frame in slow.frames for row in frame["q"]] == ["4.00"]
    monkeypatch.setattr(socket_groups, "DROP_AFTER_SECONDS", 0.05)
    slow.listener.pressure.pauseProducing()
    await asyncio.sleep(0.1)
    await published(redis_client, fresh("5", sequence=5))
    await asyncio.sleep(0.15)
    assert slow.codes == [CLOSE_TOO_SLOW]
    assert len(quick.frames) == 5
    await hub.leave(slow.listener)
    await hub.leave(quick.listener)


async def test_a_page_that_closes_between_frames_leaves_without_a_word(cast, redis_client, caplog):
    class Gone:
        STATE_OPEN, state = 3, 0

    consumer = ConsoleConsumer()
    consumer._protocol = Gone()
    gone, open_page = FakeSocket(cast[0].pk), FakeSocket(cast[1].pk)
    gone.listener.send = consumer.send_frame
    hub = current_hub()
    for socket in (gone, open_page):
        await hub.join(socket.listener)
        await hub.watch(socket.listener, {ONGC: ""})
    for number in (1, 2):
        await published(redis_client, fresh(str(number), sequence=number))
        await asyncio.sleep(0.1)
    assert len(gone.codes) == 1
    assert len(open_page.frames) == 2
    assert [row for row in caplog.records if row.levelname != "DEBUG"] == []
    await hub.leave(gone.listener)
    await hub.leave(open_page.listener)


async def test_the_hub_comes_back_after_redis_was_away(cast, redis_client, monkeypatch):
    monkeypatch.setattr(socket_groups, "RETRY_SECONDS", 0.05)
    async with page(cast[0]) as socket:
        await watching(socket, ONGC)
        for connection in redis_client.client_list(_type="pubsub"):
            if connection["db"] == str(redis_client.get_connection_kwargs()["db"]):
                redis_client.client_kill_filter(_id=connection["id"])
        await published(redis_client, fresh("7", sequence=7))
        assert (await said(socket))["q"][0]["p"] == "7.00"


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("moment", [0, 1, 2])
async def test_what_happens_while_a_page_joins_is_told_once(
    cast, redis_client, monkeypatch, is_first, moment
):
    """Between reading the newest number and hearing the channel nothing may get lost."""
    reads = []

    async def while_reading(client, user_id, *, after):
        if user_id == cast[0].pk:
            reads.append(after)
        is_now = user_id == cast[0].pk and len(reads) == 1 + moment // 2
        if is_now and moment == 2:
            await asyncio.to_thread(push_event, user_id, "balance", {"n": 2})
        answer = await missed_events(client, user_id, after=after)
        if is_now and moment == 1:
            await asyncio.to_thread(push_event, user_id, "balance", {"n": 2})
        return answer

    monkeypatch.setattr("market.private_events.missed_events", while_reading)
    push_event(cast[0].pk, "balance", {"n": 1})
    async with AsyncExitStack() as stack:
        if not is_first:
            await stack.enter_async_context(page(cast[1]))
        socket = await stack.enter_async_context(page(cast[0]))
        if moment == 0:
            push_event(cast[0].pk, "balance", {"n": 2})
        push_event(cast[0].pk, "balance", {"n": 3})
        heard = [(await said(socket))["data"]["n"] for _ in range(2)]
        assert heard == [2, 3]
        assert await socket.receive_nothing(timeout=0.1)
        assert len(reads) >= 2


async def test_a_page_that_could_not_join_leaves_nothing_behind(cast, redis_client, monkeypatch):
    async def gone(client, user_id, *, after):
        raise redis.ConnectionError("gone")

    async with page(cast[1]) as other:
        with monkeypatch.context() as broken:
            broken.setattr("market.private_events.missed_events", gone)
            with pytest.raises(redis.ConnectionError):
                await socket_of(cast[0]).connect()
        assert [each.user_id for each in current_hub()._listeners] == [cast[1].pk]
        async with page(cast[0]) as socket:
            push_event(cast[0].pk, "balance", {"n": 1})
            assert (await said(socket))["data"] == {"n": 1}
        assert await other.receive_nothing(timeout=0.1)


async def test_the_protocol_is_found_under_the_session_wrapper():
    class Protocol:
        transport = object()

    class Wrapper:
        def __init__(self, send):
            self.real_send = send

        async def send(self, message):
            await self.real_send(message)

    async def reply(protocol, message):
        raise AssertionError(protocol, message)

    protocol = Protocol()
    assert protocol_of(Wrapper(partial(reply, protocol)).send) is protocol
    assert protocol_of(reply) is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_message_on_the_wire(size):
    for frame, payload in (("x" * size, b"x" * size), (b"y" * size, b"y" * size)):
        factory = WebSocketServerFactory()
        prepared = factory.prepareMessage(payload, isBinary=isinstance(frame, bytes))
        assert framed(frame) == prepared.payloadHybi
