"""A page says which event it was drawn with, so that its socket asks for what came since."""

import re

import pytest
import redis
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.models import User
from finbyte_site.page_events import PageEventsMiddleware
from finbyte_site.tests.console import client_of
from finbyte_site.tests.views.test_viewing import let_look, look
from market.streams import push_event

pytestmark = pytest.mark.django_db

PAGES = ("/console/", "/console/orders/", "/console/account/security")


def numbers(client, **headers) -> list[str | None]:
    found = []
    for address in PAGES:
        page = client.get(address, headers=headers).text
        said = re.search(r'data-seq="(\d+)"', page)
        found.append(said and said[1])
    return found


def push(user: User, count: int) -> None:
    for _ in range(count):
        push_event(user.pk, "notice", {})


def test_a_page_says_the_number_of_the_newest_event(alice, bob, redis_client):
    push(bob, 7)
    client = client_of(alice)
    assert numbers(client) == ["0", "0", "0"]
    push(alice, 1234)
    assert numbers(client) == ["1234", "1234", "1234"]
    assert numbers(client, HX_Request="true") == [None, None, None]


def test_the_number_is_of_before_the_page_is_read(alice, redis_client):
    push(alice, 2)

    def view(request):
        push(alice, 1)
        return HttpResponse(str(request.newest_event))

    request = RequestFactory().get("/console/")
    request.user, request.viewing = alice, None
    assert PageEventsMiddleware(view)(request).content == b"2"


def test_whoever_looks_at_another_account_gets_that_accounts_number(alice, bob, redis_client):
    push(alice, 3)
    push(bob, 5)
    assert numbers(look(client_of(bob), let_look(alice, bob))) == ["3", "3", "3"]


def test_without_redis_a_page_says_nothing(alice, redis_client, monkeypatch):
    def gone():
        raise redis.ConnectionError("gone")

    client = client_of(alice)
    monkeypatch.setattr("market.streams.connect", gone)
    assert numbers(client) == [None, None, None]


def test_strangers_are_told_nothing(client, redis_client):
    page = client.get("/console/account/log-in")
    assert page.status_code == 200
    assert "data-seq" not in page.text
