"""Mail on a log-in from a new browser or address."""

from datetime import timedelta

import pytest
from django.core import mail

from accounts.models import LogInPlace
from accounts.services.addresses import add_address
from accounts.services.notices import mail_notice
from accounts.services.places import note_place
from accounts.tests.browser import CAFE, CHROME, Browser

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def noted(now, django_capture_on_commit_callbacks):
    """Note a log-in and return what was mailed of it."""

    def note(user, browser, *, at=now):
        browser.told.clear()
        with django_capture_on_commit_callbacks(execute=True):
            note_place(user, browser.request(), now=at, enqueue=browser.tell)
        return list(browser.told)

    return note


def test_the_first_place_of_all_is_no_news(alice, noted, now):
    assert noted(alice, Browser()) == []
    place = LogInPlace.objects.get()
    assert (place.browser, place.network) == ("Firefox on Linux", "203.0.113.7/32")
    assert place.first_seen_at == now


def test_a_known_place_is_no_news_and_is_seen_again(alice, noted, now):
    noted(alice, Browser())
    assert noted(alice, Browser(), at=now + HOUR) == []
    place = LogInPlace.objects.get()
    assert (place.first_seen_at, place.seen_at) == (now, now + HOUR)


@pytest.mark.parametrize(
    "browser", [Browser(agent=CHROME), Browser(address=CAFE), Browser(agent=CHROME, address=CAFE)]
)
def test_a_new_browser_or_a_new_address_is_mailed_once(alice, noted, browser):
    noted(alice, Browser())
    assert [told[:2] for told in noted(alice, browser)] == [(alice.pk, "new_place")]
    assert noted(alice, browser) == []


def test_a_new_pair_of_a_known_browser_and_a_known_address_is_mailed(alice, noted):
    noted(alice, Browser())
    noted(alice, Browser(agent=CHROME, address=CAFE))
    assert len(noted(alice, Browser(address=CAFE))) == 1


def test_places_of_others_do_not_count(alice, bob, noted):
    noted(bob, Browser(agent=CHROME))
    assert noted(alice, Browser()) == []
    assert len(noted(alice, Browser(agent=CHROME))) == 1


def test_a_known_browser_at_a_trusted_address_is_no_news(alice, noted, now):
    noted(alice, Browser())
    add_address(Browser().request(), alice, typed=CAFE, name="", now=now)
    assert noted(alice, Browser(address=CAFE)) == []
    assert len(noted(alice, Browser(agent=CHROME, address=CAFE))) == 1


def test_within_one_ipv6_network_nothing_is_new(alice, noted):
    noted(alice, Browser(address="2001:db8::1"))
    assert noted(alice, Browser(address="2001:db8::2:3")) == []
    assert len(noted(alice, Browser(address="2001:db8:0:1::1"))) == 1


def test_the_mail_says_when_where_and_what_to_do(alice, noted, settings):
    noted(alice, Browser())
    ((user_id, kind, values),) = noted(alice, Browser(agent=CHROME, address=CAFE))
    mail_notice(user_id, kind, values)
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert message.subject == "New log-in to your FinByte account"
    for words in ("02 Mar 2026, 10:00 (Asia/Kolkata)", "Chrome on Windows", CAFE, "set a new"):
        assert words in message.body
    assert f"{settings.PUBLIC_URL}/console/account/sessions" in message.body


def test_the_mail_about_a_copied_cookie_says_what_to_do(alice, now):
    alice.time_zone = "Europe/Berlin"
    alice.save()
    values = {"at": now.isoformat(), "browser": "Chrome on Windows", "address": CAFE}
    mail_notice(alice.pk, "devices_revoked", values)
    (message,) = mail.outbox
    assert message.subject == "Your trusted devices on FinByte were removed"
    for words in ("may have been copied", "05:30 (Europe/Berlin)", "knows your password", CAFE):
        assert words in message.body


def test_a_name_that_looks_like_html_stays_as_it_is(alice, now):
    alice.full_name = "A & <b>"
    alice.save()
    mail_notice(alice.pk, "new_place", {"at": now.isoformat()})
    assert "A & <b>" in mail.outbox[0].body
