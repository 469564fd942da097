"""Every address of the API x owner, another user, nobody: the tenant matrix of programs."""

from typing import Any

import pytest
import redis
from django.utils import timezone

from accounts.models import User
from accounts.models.managers import OwnedQuerySet
from finbyte_site.tests.tenants.programs import (
    CALLS,
    OPEN,
    Program,
    api_routes,
    program_of,
    send,
)
from finbyte_site.tests.tenants.test_matrix import fingerprint, undone
from finbyte_site.tests.tenants.world import things_of

pytestmark = pytest.mark.django_db
EVERY = [(method, pattern) for pattern, calls in CALLS.items() for method in calls]
OWNED = [(method, pattern) for method, pattern in EVERY if CALLS[pattern][method].is_owned]


@pytest.fixture
def programs(
    people: dict[str, User], alice: User, bob: User, redis_client: redis.Redis, settings: Any
) -> dict[str, Program]:
    """Give alice's and bob's programs with their things; no limit is in their way."""
    settings.API_RATES = {rate: {"second": 10**6} for rate in settings.API_RATES}
    now = timezone.now()
    return {
        user.email.split("@")[0]: program_of(things_of(user, redis_client, friend=friend), now=now)
        for user, friend in ((alice, people["viewer"]), (bob, people["support"]))
    }


def test_every_method_of_every_route_is_in_the_matrix():
    listed = {pattern: set(calls) for pattern, calls in CALLS.items()}
    found = {pattern: methods for pattern, methods in api_routes() if pattern not in OPEN}
    refusing = {pattern for pattern in found if pattern.startswith("mf/")}
    for pattern in refusing:
        # Whatever is sent to a mutual fund is refused alike; see the tests of these addresses.
        found[pattern] &= {"get"}
        listed.setdefault(pattern, {"get"})
    assert found == listed


def test_somebody_elses_thing_is_nothing_and_does_not_change(programs):
    alice, bob, wrong = programs["alice"], programs["bob"], []
    before = fingerprint(alice.user)
    for method, pattern in OWNED:
        response = bob.ask(method, pattern, about=alice)
        if (response.status_code, response.json()["error_type"]) != (404, "GeneralException"):
            wrong.append((method, pattern, response.status_code, response.text[:200]))
    assert not wrong
    assert len(OWNED) >= 25
    assert fingerprint(alice.user) == before


def test_no_answer_shows_anything_of_somebody_else(programs):
    alice, bob, seen = programs["alice"], programs["bob"], []
    before = fingerprint(alice.user)
    for method, pattern in EVERY:
        with undone():
            response = bob.ask(method, pattern, about=alice)
        text = b"".join(response).decode() if response.streaming else response.text
        if response.status_code >= 500 or any(mark in text for mark in alice.marks):
            seen.append((method, pattern, response.status_code, text[:200]))
    assert not seen
    assert fingerprint(alice.user) == before


def test_owners_find_their_own(programs):
    alice, wrong = programs["alice"], []
    for method, pattern in EVERY:
        with undone():
            response = alice.ask(method, pattern, about=alice)
        if response.status_code in {403, 404} or response.status_code >= 500:
            wrong.append((method, pattern, response.status_code, response.text[:200]))
    assert not wrong


def test_the_marks_are_there_to_be_seen(programs):
    alice = programs["alice"]
    marked = {
        pattern
        for method, pattern in EVERY
        if method == "get"
        and any(mark in alice.ask(method, pattern, about=alice).text for mark in alice.marks)
    }
    assert marked >= {
        "user/profile",
        "orders",
        "orders/<str:name>",
        "gtt/triggers",
        "gtt/triggers/<int:trigger_id>",
        "bots",
        "bots/<int:bot_id>",
    }


def test_without_a_token_nothing_is_answered(programs):
    alice, wrong = programs["alice"], []
    before = fingerprint(alice.user)
    for method, pattern in EVERY:
        response = send(method, pattern, about=alice, header=None)
        if (response.status_code, response.json()["error_type"]) != (403, "TokenException"):
            wrong.append((method, pattern, response.status_code))
    assert not wrong
    assert fingerprint(alice.user) == before


def test_it_notices_an_endpoint_that_asks_for_everybodys_rows(programs, monkeypatch):
    monkeypatch.setattr(OwnedQuerySet, "for_user", lambda rows, _user: rows.all())
    alice, bob = programs["alice"], programs["bob"]
    found = set()
    for method, pattern in OWNED:
        if method == "get":
            found.add(bob.ask(method, pattern, about=alice).status_code)
    assert 200 in found
