"""Every socket x everybody: whose private events arrive."""

import asyncio
import json
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.tests.api_apps import open_session
from api.tests.desk import make_desk
from api.tests.sockets import linked
from finbyte_site import routing
from finbyte_site.tests.tenants.test_matrix import logged_in, looking
from finbyte_site.tests.tenants.world import things_of
from market.streams import push_event
from portfolio.tests.factories import make_instrument, make_request, place

# The addresses of sockets: of programs, then of pages. The last one of each refuses what is left.
PROGRAMS = ["", "ws", "stream", ""]
PAGES = ["ws/console", ""]
# Who hears what happens on alice's account.
HEARS = {
    "alice": True,
    "bob": False,
    "viewer": False,
    "viewer, looking": True,
    "support": False,
    "support, looking": True,
    "risk officer": False,
    "administrator": False,
}


def test_every_socket_is_in_the_matrix():
    assert [str(route.pattern) for route in routing._routes] == PROGRAMS
    assert [str(route.pattern) for route in routing._pages] == PAGES


def socket_of(client: Client, path: str = "/ws/console") -> WebsocketCommunicator:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    if cookie is not None:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie.value}".encode()))
    return WebsocketCommunicator(routing.websocket_application, path, headers=headers)


@pytest.mark.parametrize("path", ["/ws/console", "/ws/other", "/", "/ws", "/stream"])
async def test_strangers_open_none(real_db, redis_client, path):
    is_open, _ = await socket_of(Client(), path).connect(timeout=5)
    assert not is_open


async def test_each_hears_of_his_account_and_of_the_one_he_looks_at(
    real_db: Any, redis_client: Any, people: dict[str, Any]
) -> None:
    def clients() -> dict[str, Client]:
        alice = things_of(people["alice"], redis_client, friend=people["viewer"])
        return {
            name: looking(people[name.split(",")[0]], alice)
            if name.endswith("looking")
            else logged_in(people[name])
            for name in HEARS
        }

    heard = {}
    for name, client in (await database_sync_to_async(clients)()).items():
        socket = socket_of(client)
        is_open, _ = await socket.connect(timeout=5)
        assert is_open, name
        assert json.loads(await socket.receive_from(timeout=5))["t"] == "hello"
        await asyncio.to_thread(push_event, people["alice"].pk, "trade", {"of": "alice"})
        # One's own event comes behind it, where it comes: no waiting for what must not arrive.
        own = people[name.split(",")[0]].pk
        await asyncio.to_thread(push_event, own, "trade", {"of": "oneself"})
        first = json.loads(await socket.receive_from(timeout=5))
        heard[name] = first["data"]["of"] == "alice"
        await socket.disconnect()
    assert heard == HEARS


async def test_a_cookie_opens_no_socket_of_programs(
    real_db: Any, redis_client: Any, people: dict[str, Any]
) -> None:
    client = await database_sync_to_async(logged_in)(people["alice"])
    for path in ("/", "/ws", "/stream"):
        is_open, _ = await socket_of(client, path).connect(timeout=5)
        assert not is_open, path


@pytest.mark.parametrize("path", ["/", "/ws", "/stream"])
async def test_a_program_hears_of_the_orders_of_its_user_only(
    real_db: Any, redis_client: Any, alice: Any, bob: Any, path: str
) -> None:
    """Bob uses alice's app: its sockets carry what is his, and nothing of hers."""
    now = timezone.now()
    desks = [await database_sync_to_async(make_desk)(user, now=now) for user in (alice, bob)]
    through_hers = await database_sync_to_async(open_session)(desks[0].made, bob, now=now)
    key, token = desks[0].made.app.api_key, through_hers.access_token
    query = "" if path == "/stream" else f"?api_key={key}&access_token={token}"
    header = (b"authorization", f"token {key}:{token}".encode())
    async with linked(path + query, headers=[header]) as link:
        if path == "/stream":
            assert (await link.said())["user_id"] == bob.public_id
        ongc = await database_sync_to_async(make_instrument)()
        placed = []
        for desk in desks:
            request = make_request(ongc, quantity=1)
            placed += await database_sync_to_async(place)(desk.book, request, last=260, now=now)
        update = (await link.said())["data"]
        row = update["orders"][0] if path == "/stream" else update
        # His own comes behind hers, and is the first that is heard.
        assert row["order_id"] == str(placed[1].order_id)
        assert row["account_id"] == bob.public_id
        assert await link.hears_nothing()
