"""The console's socket behind real sessions: who gets in, and how fast he is out again (T11)."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import ConsoleSession, User
from accounts.services.sessions import end_session, end_sessions
from accounts.session_store import SessionStore
from accounts.tasks import end_sessions as end_by_the_clock
from finbyte_site.routing import websocket_application
from finbyte_site.suspension import suspend_user
from finbyte_site.tests.console import client_of
from market import hub as hub_module
from market.listeners import CLOSE_NOT_ALLOWED

pytestmark = pytest.mark.usefixtures("redis_client", "real_db")

AT_ONCE_SECONDS = 2.0
HOST = b"127.0.0.1:8000"
EVIL = [
    b"https://evil.example",
    b"http://127.0.0.1:8001",
    b"http://127.0.0.1.evil.example:8000",
    b"http://evil.example/http://127.0.0.1:8000",
    b"https://127.0.0.1:8000@evil.example",
    b"null",
    b"file://",
    b"",
]


def socket_of(client: Client, *, origin: bytes = b"http://127.0.0.1:8000") -> WebsocketCommunicator:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    headers = [
        (b"host", HOST),
        (b"origin", origin),
        (b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()),
    ]
    return WebsocketCommunicator(websocket_application, "/ws/console", headers=headers)


@asynccontextmanager
async def page(client):
    socket = socket_of(client)
    is_connected, _ = await socket.connect(timeout=5)
    assert is_connected
    assert orjson.loads(await socket.receive_from(timeout=5))["t"] == "hello"
    yield socket
    await socket.disconnect()


async def seconds_to_close(socket, act, *args):
    """Do something elsewhere; return how long the socket has lived on."""
    clock = asyncio.get_running_loop().time
    started = clock()
    await database_sync_to_async(act)(*args)
    message = await socket.receive_output(timeout=5)
    assert (message["type"], message["code"]) == ("websocket.close", CLOSE_NOT_ALLOWED)
    return clock() - started


def suspend(user, staff):
    suspend_user(user, actor=staff, reason="odd", client_address=None, now=timezone.now())


def change_password(user):
    user.set_password("another battery staple horse")
    user.save()
    end_sessions(user)


def log_out(client):
    assert client.post("/console/account/log-out").status_code == 302


async def test_a_page_of_another_site_opens_no_socket_with_the_users_cookies(alice):
    client = await database_sync_to_async(client_of)(alice)
    for origin in EVIL:
        is_connected, code = await socket_of(client, origin=origin).connect(timeout=5)
        assert (is_connected, code) == (False, 4403), origin


async def test_without_a_session_nobody_gets_in(alice):
    client = await database_sync_to_async(client_of)(alice)
    client.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
    is_connected, code = await socket_of(client).connect(timeout=5)
    assert (is_connected, code) == (False, CLOSE_NOT_ALLOWED)


class TestWithinTwoSeconds:
    async def test_a_log_out_closes_every_socket_of_its_browser(self, alice):
        client = await database_sync_to_async(client_of)(alice)
        async with page(client) as first, page(client) as second:
            assert await seconds_to_close(first, log_out, client) < AT_ONCE_SECONDS
            message = await second.receive_output(timeout=AT_ONCE_SECONDS)
            assert message["type"] == "websocket.close"

    async def test_a_session_that_is_ended_from_another_browser(self, alice, bob):
        here, there = [await database_sync_to_async(client_of)(alice) for _ in range(2)]
        stranger = await database_sync_to_async(client_of)(bob)
        ended = await database_sync_to_async(lambda: there.session.stamp.public_id)()
        async with page(here) as mine, page(there) as theirs, page(stranger) as his:
            assert await seconds_to_close(theirs, end_session, alice, ended) < AT_ONCE_SECONDS
            assert await mine.receive_nothing(timeout=0.2)
            assert await his.receive_nothing(timeout=0.05)

    async def test_a_suspended_user(self, alice, staff):
        client = await database_sync_to_async(client_of)(alice)
        async with page(client) as socket:
            assert await seconds_to_close(socket, suspend, alice, staff) < AT_ONCE_SECONDS
        assert await database_sync_to_async(ConsoleSession.objects.for_user(alice).count)() == 0
        is_connected, _ = await socket_of(client).connect(timeout=5)
        assert not is_connected

    async def test_a_changed_password(self, alice):
        client = await database_sync_to_async(client_of)(alice)
        async with page(client) as socket:
            assert await seconds_to_close(socket, change_password, alice) < AT_ONCE_SECONDS

    async def test_the_daily_job_closes_what_has_ended_by_the_clock(self, alice, bob):
        ended, going = [await database_sync_to_async(client_of)(user) for user in (alice, bob)]

        def end():
            past = timezone.now() - timedelta(minutes=1)
            ConsoleSession.objects.for_user(alice).update(expire_date=past)
            assert end_by_the_clock() == 1

        async with page(ended) as socket, page(going) as other:
            assert await seconds_to_close(socket, end) < AT_ONCE_SECONDS
            assert await other.receive_nothing(timeout=0.1)


async def test_an_end_that_nobody_told_of_is_found_by_looking(alice, monkeypatch):
    """Within a minute in use: the job may be off, and Redis silent."""
    assert hub_module.ACCESS_CHECK_SECONDS == 60
    monkeypatch.setattr(hub_module, "ACCESS_CHECK_SECONDS", 0.05)
    client = await database_sync_to_async(client_of)(alice)
    async with page(client) as socket:
        deleted = ConsoleSession.objects.all().delete
        assert await seconds_to_close(socket, deleted) < AT_ONCE_SECONDS


async def test_a_second_factor_that_cycles_the_key_leaves_other_pages_their_sockets(alice):
    client = await database_sync_to_async(client_of)(alice)

    def cycle():
        store = SessionStore(client.cookies[settings.SESSION_COOKIE_NAME].value)
        assert store.stamp is not None
        store.cycle_key()
        store.save()

    async with page(client) as socket:
        await database_sync_to_async(cycle)()
        assert await socket.receive_nothing(timeout=0.3)
        end = database_sync_to_async(end_sessions)
        assert await end(await database_sync_to_async(User.objects.get)(pk=alice.pk)) == 1
        message = await socket.receive_output(timeout=AT_ONCE_SECONDS)
        assert message["type"] == "websocket.close"
