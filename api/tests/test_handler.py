"""Programs are served by a handler of their own; it must answer as the whole site would."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncRequestFactory, Client
from django.utils import timezone

from api.handler import MIDDLEWARE, ApiHandler
from api.tests.desk import make_desk
from finbyte_site.asgi import http_application

HEADERS = ("Content-Type", "Content-Security-Policy", "Cache-Control", "X-Content-Type-Options")


def test_its_chain_is_part_of_the_sites_in_the_same_order():
    known = [each for each in settings.MIDDLEWARE if each in MIDDLEWARE]
    assert known == list(MIDDLEWARE)


def served(scope, body=b""):
    """Send one request through the ASGI application; return status, headers and body."""
    sent, told = [], iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        for message in told:
            return message
        return await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async_to_sync(http_application)(scope, receive, send)
    headers = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/user/profile", 200),
        ("GET", "/orders", 200),
        ("GET", "/orders/1", 404),
        ("PATCH", "/orders", 405),
        ("GET", "/portfolio/nothing", 404),
        ("GET", "/quote", 400),
        ("GET", "/user/margins/%00", 400),
        ("POST", "/orders/regular", 400),
    ],
)
def test_it_answers_as_the_site_does(real_db, alice, redis_client, method, path, status):
    desk = make_desk(alice, now=timezone.now())
    # Cookies are not read, whatever they are.
    headers = {**desk.headers, "cookie": "finbyte_session=x"}
    whole = Client().generic(method, path, headers=headers)
    scope = AsyncRequestFactory().generic(method, path, headers=headers).scope
    own_status, own_headers, body = served(scope)
    assert own_status == whole.status_code == status
    assert {name: own_headers.get(name) for name in HEADERS} == {
        name: whole.headers.get(name) for name in HEADERS
    }
    assert "Set-Cookie" not in own_headers
    assert body == whole.content


def test_the_threads_give_their_connections_back(real_db, alice, redis_client):
    from django.db import connection  # noqa: PLC0415

    desk = make_desk(alice, now=timezone.now())
    headers = desk.headers
    scope = AsyncRequestFactory().get("/user/profile", headers=headers).scope
    for _ in range(20):
        assert served(scope)[0] == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        assert cursor.fetchone() == (0,)
    assert ApiHandler()
