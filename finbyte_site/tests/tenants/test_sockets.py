"""Every socket x everybody: whose private events arrive."""

import asyncio
import json
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from finbyte_site import routing
from finbyte_site.tests.tenants.test_matrix import logged_in, looking
from finbyte_site.tests.tenants.world import things_of
from market.streams import push_event

# The addresses of sockets; the last one refuses whatever is left.
SOCKETS = ["ws/console", ""]
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
    assert [str(route.pattern) for route in routing._routes] == SOCKETS


def socket_of(client: Client, path: str = "/ws/console") -> WebsocketCommunicator:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
    if cookie is not None:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie.value}".encode()))
    return WebsocketCommunicator(routing.websocket_application, path, headers=headers)


@pytest.mark.parametrize("path", ["/ws/console", "/ws/other", "/"])
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
