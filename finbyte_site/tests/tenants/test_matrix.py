"""Every address x everybody x own and foreign things: who sees what, and that nothing changes."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.db import transaction
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.models import User
from accounts.models.managers import OwnedQuerySet
from accounts.services.viewing import look_as_staff
from api.paths import JSON_PREFIXES
from finbyte_site.tests.console import client_of, stamp_client
from finbyte_site.tests.tenants.routes import OWNED, ROUTES, Kind, fields_naming, walk
from finbyte_site.tests.tenants.world import Things, things_of
from portfolio.exceptions import VenueCallInTransaction

pytestmark = pytest.mark.django_db

APPS = ("accounts", "market", "portfolio", "bots")
# Where somebody who is not logged in is sent.
LOG_IN = "/console/account/log-in"
METHODS = ("get", "post")
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


def address_of(pattern: str, parts: dict[str, Any]) -> str:
    return "/" + _PART.sub(lambda found: str(parts[found[1]]), pattern)


def test_every_route_is_in_the_matrix():
    unlisted = [
        pattern
        for pattern, _name in walk()
        if pattern not in ROUTES and not is_known_by_rule(pattern)
    ]
    assert not unlisted, f"add to finbyte_site/tests/tenants/routes.py: {unlisted}"


def test_the_matrix_lists_no_route_that_is_gone():
    patterns = {pattern for pattern, _name in walk()}
    assert not [pattern for pattern in ROUTES if pattern not in patterns]


def is_known_by_rule(pattern: str) -> bool:
    """Say whether another test of this file takes the route by its place: admin, API, slashes."""
    is_slash_twin = pattern.startswith("console/account/") and pattern.removesuffix("/") in ROUTES
    return pattern.startswith(("admin/", "^")) or is_slash_twin


@pytest.fixture
def world(
    people: dict[str, User],
    alice: User,
    bob: User,
    redis_client: redis.Redis,
    settings: Any,
) -> dict[str, Things]:
    """Give alice, bob and the viewer their things; nobody answers where venues are asked."""
    settings.VENUE_ADDRESSES = dict.fromkeys(settings.VENUE_ADDRESSES, "http://127.0.0.1:9")
    return {
        "alice": things_of(alice, redis_client, friend=people["viewer"]),
        "bob": things_of(bob, redis_client, friend=people["support"]),
        "viewer": things_of(people["viewer"], redis_client, friend=bob),
    }


@contextmanager
def undone() -> Iterator[None]:
    """Take back what a request has changed."""
    block = transaction.atomic()
    # As Django marks the transaction of a test: the door's durable one may stand inside it.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


def ask(client: Client, method: str, pattern: str, things: Things) -> Any:
    """Ask for a route with the ids of somebody's things in the address and in every field."""
    row = ROUTES[pattern]
    address = address_of(pattern, row.of(things) if row.of else {})
    return getattr(client, method)(address, {**fields_naming(things), **row.data})


def logged_in(user: User) -> Client:
    return client_of(user, factor_at=timezone.now())


def again(client: Client, user: User, response: Any) -> None:
    """Log in again where the answer has ended or renewed the session, which is undone by then."""
    if django_settings.SESSION_COOKIE_NAME in response.cookies:
        stamp_client(client, user, factor_at=timezone.now())


def fingerprint(user: User) -> str:
    """Return a digest of every row that belongs to the user, but what a log-in itself writes."""
    digest = hashlib.sha256()
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            rows: Any = model._default_manager.all()
            if model._meta.label in WRITTEN_BY_LOG_IN or not isinstance(rows, OwnedQuerySet):
                continue
            values = rows.for_user(user).order_by("pk").values_list()
            digest.update(repr((model._meta.label, list(values))).encode())
    return digest.hexdigest()


WRITTEN_BY_LOG_IN = {"accounts.ConsoleSession", "accounts.LogInPlace", "accounts.AuditEvent"}


class TestStrangers:
    """A thing of somebody else's is no thing at all, whoever asks in the console."""

    @pytest.mark.parametrize("name", ["bob", "support", "administrator"])
    def test_a_foreign_id_is_404_and_nothing_changes(self, world, name, people):
        alice, client = world["alice"], logged_in(people[name])
        before, wrong = fingerprint(alice.user), []
        for pattern in OWNED:
            answers = self._answers(client, pattern, alice)
            if answers - {405} != {404}:
                wrong.append((pattern, answers))
        assert not wrong
        assert fingerprint(alice.user) == before

    def _answers(self, client, pattern, things):
        answers = set()
        for method in METHODS:
            response = ask(client, method, pattern, things)
            assert things.marker not in response.text, (method, pattern)
            answers.add(response.status_code)
        return answers

    @pytest.mark.parametrize("name", ["bob", "support", "administrator"])
    def test_lists_exports_and_forms_show_nothing_of_it(self, world, name, people):
        alice, user = world["alice"], people[name]
        client, before, seen = logged_in(user), fingerprint(alice.user), []
        for pattern, row in ROUTES.items():
            if row.kind in {Kind.ADMIN, Kind.PROGRAM} or pattern in OWNED:
                continue
            for method in METHODS:
                with undone():
                    response = ask(client, method, pattern, alice)
                is_broken = response.status_code >= 500 and pattern != "healthz"
                if alice.marker in text_of(response) or is_broken:
                    seen.append((method, pattern, response.status_code))
                again(client, user, response)
        assert not seen
        assert fingerprint(alice.user) == before


class TestTheMatrixItself:
    def test_it_notices_a_page_that_asks_for_everybodys_rows(self, world, people, monkeypatch):
        monkeypatch.setattr(OwnedQuerySet, "for_user", lambda rows, _user: rows.all())
        client, alice = logged_in(people["bob"]), world["alice"]
        found = {ask(client, "get", pattern, alice).status_code for pattern in OWNED}
        assert 200 in found
        assert alice.marker in text_of(client.get("/console/orders/"))


class TestOwners:
    def test_they_find_everything_of_theirs(self, world):
        alice = world["alice"]
        client, wrong = logged_in(alice.user), []
        for pattern, row in ROUTES.items():
            if row.kind in {Kind.ADMIN, Kind.PROGRAM, Kind.PUBLIC}:
                continue
            answers = set()
            for method in METHODS:
                try:
                    with undone():
                        response = ask(client, method, pattern, alice)
                except VenueCallInTransaction:
                    # Found, and about to ask the venue: the test's own transaction forbids that.
                    answers.add(200)
                    continue
                answers.add(response.status_code)
                again(client, alice.user, response)
            if answers & {403, 404} or max(answers) >= 500 or answers == {405}:
                wrong.append((pattern, answers))
        assert not wrong

    def test_the_marks_are_there_to_be_seen(self, world):
        """Without this, the search for leaks would find nothing and prove nothing."""
        alice = world["alice"]
        client = logged_in(alice.user)
        marked = {
            pattern
            for pattern, row in ROUTES.items()
            if row.kind in {Kind.CONSOLE, Kind.ACCOUNT}
            and alice.marker in text_of(ask(client, "get", pattern, alice))
        }
        assert marked >= MARKED


# Pages whose own words name something of the user's; the frame names him on every whole page.
MARKED = {
    "console/",
    "console/bots/",
    "console/bots/<int:bot_id>/",
    "console/orders/",
    "console/positions/",
    "console/funds/",
    "console/account/profile",
}


class TestNobody:
    def test_without_a_log_in_there_is_only_the_log_in(self, world):
        alice, client, wrong = world["alice"], Client(), []
        before = fingerprint(alice.user)
        for pattern, row in ROUTES.items():
            if row.kind in {Kind.PUBLIC, Kind.PROGRAM}:
                continue
            for method in METHODS:
                response = ask(client, method, pattern, alice)
                is_led = response.status_code == 302 and response["Location"].startswith(LOG_IN)
                if not is_led and response.status_code != 405:
                    wrong.append((method, pattern, response.status_code))
        assert not wrong
        assert fingerprint(alice.user) == before


class TestLookers:
    """Viewers and looking staff see what the owner sees, and can do nothing with it."""

    @pytest.mark.parametrize("name", ["viewer", "support"])
    def test_they_see_the_owners_pages(self, world, people, name):
        alice = world["alice"]
        owner, looker = logged_in(alice.user), looking(people[name], alice)
        unlike, marked = [], set()
        for pattern, row in ROUTES.items():
            if row.kind is not Kind.CONSOLE:
                continue
            with undone():
                expected = ask(owner, "get", pattern, alice).status_code
            response = ask(looker, "get", pattern, alice)
            if response.status_code != expected:
                unlike.append((pattern, expected, response.status_code))
            if alice.marker in text_of(response):
                marked.add(pattern)
        assert not unlike
        assert marked >= {pattern for pattern in MARKED if "account/" not in pattern}

    @pytest.mark.parametrize("name", ["viewer", "support"])
    def test_they_change_nothing_of_it(self, world, people, name):
        alice = world["alice"]
        looker, before, wrong = looking(people[name], alice), fingerprint(alice.user), []
        for pattern, row in ROUTES.items():
            if row.kind is not Kind.CONSOLE or pattern == "console/account-switch/":
                continue
            status = ask(looker, "post", pattern, alice).status_code
            if status != 403:
                wrong.append((pattern, status))
        assert not wrong
        assert fingerprint(alice.user) == before

    def test_meanwhile_their_own_things_are_not_among_the_owners(self, world, people):
        looker, own = looking(people["viewer"], world["alice"]), world["viewer"]
        found = [
            pattern
            for pattern, row in OWNED.items()
            if row.kind is Kind.CONSOLE
            and ask(looker, "get", pattern, own).status_code not in {404, 405}
        ]
        assert not found

    @pytest.mark.parametrize("name", ["viewer", "support"])
    def test_the_owners_log_in_is_not_shown_to_them(self, world, people, name):
        alice = world["alice"]
        looker, before, wrong = looking(people[name], alice), fingerprint(alice.user), []
        for pattern, row in OWNED.items():
            # Whom the owner has let look may be leaving: that is his own act.
            if row.kind is not Kind.ACCOUNT or "viewers" in pattern:
                continue
            answers = {ask(looker, method, pattern, alice).status_code for method in METHODS}
            if answers - {405} != {404}:
                wrong.append((pattern, answers))
        assert not wrong
        assert fingerprint(alice.user) == before


def looking(user: User, at: Things) -> Client:
    """Return the browser of somebody who looks at the account: a viewer, or staff."""
    client = logged_in(user)
    if not user.is_staff:
        client.post(f"/console/account/viewers/{at.ids['given']}/look")
        return client
    request = RequestFactory().get("/")
    request.session = client.session
    look_as_staff(request, user, at.user, reason="a ticket", now=timezone.now())
    request.session.save()
    return client


# The admin's own door, which leads to ours.
DOORS = {"admin/login/", "admin/logout/", "admin/password_change/", "admin/jsi18n/"}
ADMIN = [
    pattern for pattern, _name in walk() if pattern.startswith("admin/") and pattern not in DOORS
]


class TestAdmin:
    def test_nobody_gets_in_without_a_role(self, world, people):
        alice, before = world["alice"], fingerprint(world["alice"].user)
        outsiders = [Client(), logged_in(alice.user), looking(people["viewer"], alice)]
        inside = []
        for pattern in ADMIN:
            address = admin_address(pattern, alice)
            for client in outsiders:
                for method in METHODS:
                    with undone():
                        response = getattr(client, method)(address)
                    if not is_outside(response):
                        inside.append((method, pattern, response.status_code))
        assert not inside
        assert fingerprint(alice.user) == before

    def test_nobody_gets_in_without_a_second_factor_of_just_now(self, people):
        client = client_of(people["administrator"])
        for pattern in ADMIN:
            response = client.get(_PART.sub("1", f"/{pattern}"))
            assert response.status_code == 302, pattern
            assert response["Location"].startswith("/console/account/confirm"), pattern

    @pytest.mark.parametrize("name", ["support", "administrator"])
    def test_every_page_answers_and_looking_changes_nothing(self, world, people, name):
        alice, broken = world["alice"], []
        client, before = at_the_desk(people[name]), fingerprint(alice.user)
        for pattern in ADMIN:
            with undone():
                status = client.get(admin_address(pattern, alice)).status_code
            if status >= 500:
                broken.append((pattern, status))
        assert not broken
        assert fingerprint(alice.user) == before

    def test_support_cannot_act(self, world, people):
        alice, done = world["alice"], []
        client, before = at_the_desk(people["support"]), fingerprint(alice.user)
        for pattern in ADMIN:
            if not pattern.endswith(("/add/", "/change/", "/delete/")):
                continue
            status = client.post(admin_address(pattern, alice), {"post": "yes"}).status_code
            if status != 403:
                done.append((pattern, status))
        assert not done
        assert fingerprint(alice.user) == before


def at_the_desk(user: User) -> Client:
    client = Client()
    now = timezone.now()
    stamp_client(client, user, factor_at=now, admin_seen_at=now)
    return client


def admin_address(pattern: str, things: Things) -> str:
    """Return the address with the newest of the user's rows of its model, where it names one."""
    label, name = (*pattern.split("/")[1:3], "")[:2]
    key: Any = "1"
    if "object_id" in pattern and "content_type" not in pattern:
        rows = apps.get_model(label, name)._default_manager.all()
        own = rows.for_user(things.user) if isinstance(rows, OwnedQuerySet) else rows
        key = getattr(own.order_by("pk").last(), "pk", "1")
    return "/" + _PART.sub(str(key), pattern)


def is_outside(response: Any) -> bool:
    """Say whether the answer leads to the log-in or refuses."""
    if response.status_code == 302:
        return bool(response["Location"].startswith((LOG_IN, "/admin/login/")))
    return response.status_code in {403, 404, 405}


class TestPrograms:
    def test_a_browsers_session_is_nothing_to_the_api(self, world):
        alice, wrong = world["alice"], []
        client = logged_in(alice.user)
        for prefix in JSON_PREFIXES:
            for address in (f"/{prefix}", f"/{prefix}/{alice.order.pk}"):
                for method in (*METHODS, "put", "delete"):
                    response = getattr(client, method)(address)
                    said = (response.status_code, response.json()["error_type"])
                    if said != (403, "TokenException"):
                        wrong.append((method, address, said))
        for method in METHODS:
            assert getattr(client, method)("/user/profile").json()["error_type"] == "TokenException"
        assert not wrong


def text_of(response: Any) -> str:
    return b"".join(response).decode(errors="replace") if response.streaming else response.text
