"""The page that shows where a user is logged in."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, ConsoleSession
from accounts.tests.browser import Browser
from finbyte_site.tests.console import client_of, stamp_client

pytestmark = pytest.mark.django_db

PAGE = "/console/account/sessions"


def shown(client):
    response = client.get(PAGE)
    assert response.status_code == 200
    return response.content.decode()


def logged_in(user, **stamp):
    client = Client()
    return client, stamp_client(client, user, **stamp)


def is_in(client):
    return client.get("/console/account/profile").status_code == 200


def test_all_of_mine_are_shown_and_the_current_one_marked(alice, bob):
    now = timezone.now()
    device = Browser().trust(alice, now=now, name="Laptop")
    mine, _ = logged_in(alice, browser="Firefox on Linux", factor_at=now)
    logged_in(alice, browser="Chrome on Android", address="2001:db8::7", device_id=device.pk)
    logged_in(alice, browser="Safari on iPhone", address="198.51.100.9")
    logged_in(bob, browser="Edge on Windows")
    page = shown(mine)
    for words in (
        "Firefox on Linux",
        "second factor",
        "Chrome on Android",
        "2001:db8::7",
        "trusted device Laptop",
        "Safari on iPhone",
        "198.51.100.9",
        "password only",
    ):
        assert words in page
    assert "Edge on Windows" not in page
    assert page.count("This one") == 1
    assert page.index("This one") - page.index("Firefox on Linux") < 200


def test_what_has_ended_is_not_shown(alice):
    now = timezone.now()
    logged_in(alice, browser="Safari on iPhone", started_at=now - timedelta(hours=13))
    assert "Safari" not in shown(client_of(alice))


def test_one_is_logged_out(alice):
    mine, _ = logged_in(alice)
    other, stamp = logged_in(alice)
    third, _ = logged_in(alice)
    assert is_in(other)
    assert mine.post(f"{PAGE}/{stamp.public_id}/end").url == PAGE
    assert (is_in(mine), is_in(other), is_in(third)) == (True, False, True)
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.target) == (
        "session_end",
        alice,
        f"session {stamp.public_id}",
    )


def test_all_others_are_logged_out(alice, bob):
    mine, _ = logged_in(alice)
    others = [logged_in(alice)[0] for _ in range(3)]
    stranger, _ = logged_in(bob)
    response = mine.post(f"{PAGE}/end-others", follow=True)
    assert "Logged out in 3 other browsers." in response.content.decode()
    assert [is_in(client) for client in (mine, *others, stranger)] == [True, *[False] * 3, True]
    assert AuditEvent.objects.get().detail == {"sessions": 3}


def test_this_one_is_a_log_out(alice):
    mine, stamp = logged_in(alice)
    assert mine.post(f"{PAGE}/{stamp.public_id}/end").url == "/console/account/log-in"
    assert not is_in(mine)
    assert ConsoleSession.objects.count() == 0


@pytest.mark.parametrize("whose", ["bob's", "nobody's"])
def test_anothers_is_not_found_and_goes_on(alice, bob, whose):
    mine, _ = logged_in(alice)
    his, stamp = logged_in(bob)
    target = stamp.public_id if whose == "bob's" else uuid4()
    assert mine.post(f"{PAGE}/{target}/end").status_code == 404
    assert is_in(his)
    assert AuditEvent.objects.count() == 0


def test_looking_ends_nothing(alice):
    mine, stamp = logged_in(alice)
    for address in (f"{PAGE}/{stamp.public_id}/end", f"{PAGE}/end-others"):
        assert mine.get(address).status_code == 405
    assert is_in(mine)


def test_a_form_of_another_site_ends_nothing(alice):
    mine = Client(enforce_csrf_checks=True)
    stamp_client(mine, alice)
    other, _ = logged_in(alice)
    assert mine.post(f"{PAGE}/end-others").status_code == 403
    assert is_in(other)


def test_the_page_takes_the_same_queries_for_any_number_of_rows(alice):
    mine, _ = logged_in(alice)
    found = []
    for count in (0, 1, 20):
        for _ in range(count):
            device = Browser().trust(alice, now=timezone.now()) if count == 1 else None
            logged_in(alice, device_id=device and device.pk)
        with CaptureQueriesContext(connection) as queries:
            shown(mine)
        found.append(len(queries))
    assert found == [found[0]] * 3
    assert found[0] <= 5
