"""The log-in of an app in a browser: who is asked what, and where the browser ends."""

from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.models import (
    ApiSession,
    AuditEvent,
    RequestToken,
    TrustedAddress,
    TrustedDevice,
    User,
)
from accounts.services.api_apps import change_app, revoke_app
from accounts.services.api_sessions import exchange
from accounts.tests.api_apps import REDIRECT, make_app, settings_of
from accounts.tests.domain.test_redirect_urls import MALICIOUS
from accounts.tests.factors import enrol
from finbyte_site.tests.console import client_of, stamp_client
from portfolio.tests.factories import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    """Take the real time: requests come now."""
    return timezone.now()


@pytest.fixture
def made(alice, now):
    return make_app(alice, now=now, products=["CNC", "MIS"])


@pytest.fixture
def browser(bob, now):
    """Bob's, who has shown his second factor."""
    enrol(bob)
    return client_of(bob, factor_at=now)


def page_of(made, **values):
    return "/connect/login?" + urlencode({"v": 3, "api_key": made.app.api_key, **values})


def allow(browser, address, products=("CNC", "MIS"), **values):
    return browser.post(address, {"decision": "allow", "products": list(products), **values})


def nothing_was_given():
    return not RequestToken.objects.exists() and not ApiSession.objects.exists()


def test_the_page_says_who_asks_for_what(browser, made, alice):
    response = browser.get(page_of(made))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    text = response.text
    for words in (
        "Let Scalper act for you?",
        alice.public_id,
        "CNC: buy with full cash",
        "MIS: within the day",
        "06:00:00",
        "https://bots.example.com",
        "bob@example.com",
    ):
        assert words in text
    assert "NRML" not in text
    assert nothing_was_given()


def test_the_form_may_end_at_the_registered_host_only(browser, made):
    policy = browser.get(page_of(made))["Content-Security-Policy"]
    assert "form-action 'self' https://bots.example.com;" in policy + ";"
    assert (
        "bots.example.com" not in browser.get("/console/account/profile")["Content-Security-Policy"]
    )


def test_allow_leads_to_the_app_with_a_token_that_works(browser, made, bob, now):
    address = page_of(made, redirect_params="basket=7&note=a%20b", state="xyz")
    response = allow(browser, address)
    assert response.status_code == 302
    assert "no-store" in response["Cache-Control"]
    assert response["Location"].startswith(f"{REDIRECT}?request_token=")
    query = parse_qs(urlsplit(response["Location"]).query)
    token = query.pop("request_token")[0]
    assert query == {
        "action": ["login"],
        "status": ["success"],
        "basket": ["7"],
        "note": ["a b"],
        "state": ["xyz"],
    }
    assert len(token) == 43
    assert exchange(made.signed(token), now=timezone.now()).session.user == bob
    event = AuditEvent.objects.get(kind="api_consent")
    assert (event.actor, event.target) == (bob, made.app.api_key)
    assert event.detail["products"] == ["CNC", "MIS"]


def test_cancel_leads_back_without_a_token(browser, made):
    response = browser.post(page_of(made, state="xyz"), {"decision": "cancel"})
    assert response["Location"] == f"{REDIRECT}?action=login&status=cancelled&state=xyz"
    assert nothing_was_given()


def test_our_four_names_cannot_be_said_by_others(browser, made):
    params = "request_token=mine&action=mine&status=failed&type=mine&state=mine"
    response = allow(browser, page_of(made, redirect_params=params, state="true"))
    pairs = parse_qsl(urlsplit(response["Location"]).query)
    assert [name for name, _ in pairs] == ["request_token", "action", "status", "state"]
    assert "mine" not in [value for _, value in pairs]


def test_a_registered_query_is_kept(browser, alice, now):
    made = make_app(alice, now=now, redirect_url=f"{REDIRECT}?tenant=5")
    response = allow(browser, page_of(made, redirect_params="tenant=6"), products=["CNC"])
    assert response["Location"].startswith(f"{REDIRECT}?tenant=5&request_token=")
    assert "tenant=6" not in response["Location"]


# A text with a zero byte does not come this far.
VALUES = [each for each in MALICIOUS if "\0" not in each]
REDIRECTING = [
    "redirect_uri",
    "redirect_url",
    "redirect",
    "next",
    "return_to",
    "callback",
    "url",
    "continue",
]


def off_list(response):
    """Say whether the browser would go anywhere but to the registered address."""
    location = response["Location"]
    parts = urlsplit(location)
    return (
        response.status_code != 302
        or not location.startswith(f"{REDIRECT}?")
        or (parts.netloc, parts.path, parts.fragment) != ("bots.example.com", "/cb", "")
        or any(character in location for character in "\r\n\t\\ ")
    )


def test_nothing_in_the_request_moves_the_return(browser, made):
    tried, moved = 0, []
    for value in VALUES:
        extra = dict.fromkeys(REDIRECTING, value)
        params = urlencode({"redirect_url": value})[:1000]
        full = page_of(made, redirect_params=params, state=value[:300], **extra)
        raw = page_of(made, redirect_params=value)
        for address, decision in ((full, "allow"), (raw, "cancel" if tried % 4 else "allow")):
            form = {"decision": decision, "products": ["CNC", "MIS"], **extra}
            response = browser.post(address, form)
            RequestToken.objects.all().delete()
            tried += 1
            if off_list(response):
                moved.append((address, response["Location"]))
    assert (len(VALUES), tried, moved) == (55, 110, [])


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("key", ["", "nothing", "a" * 16, "a" * 5000, "'; --"])
def test_an_unknown_key_leads_nowhere(browser, key, method):
    address = "/connect/login?" + urlencode({"v": 3, "api_key": key, "redirect_url": REDIRECT})
    response = getattr(browser, method)(address)
    assert response.status_code == 404
    assert "Location" not in response.headers
    assert "no app with this api_key" in response.text
    assert nothing_was_given()


def test_revoked_and_suspended_makers_lead_nowhere(browser, made, alice, now):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert allow(browser, page_of(made)).status_code == 404
    User.objects.filter(pk=alice.pk).update(is_active=True)
    revoke_app(made.app, actor=alice, client_address=None, now=now)
    assert allow(browser, page_of(made)).status_code == 404
    assert nothing_was_given()


def test_too_much_to_echo_leads_nowhere(browser, made):
    for values in ({"redirect_params": "a" * 1001}, {"state": "a" * 1001}):
        assert allow(browser, page_of(made, **values)).status_code == 400
    assert nothing_was_given()


def test_strangers_log_in_first_and_come_back(client, made):
    address = page_of(made, redirect_params="a=1", state="s")
    for response in (client.get(address), allow(client, address)):
        assert response.status_code == 302
        parts = urlsplit(response["Location"])
        assert parts.path == "/console/account/log-in"
        assert parse_qs(parts.query)["next"] == [address]
    assert nothing_was_given()


def test_without_a_second_factor_one_is_enrolled_first(made, bob):
    browser = client_of(bob)
    for response in (browser.get(page_of(made)), allow(browser, page_of(made))):
        parts = urlsplit(response["Location"])
        assert parts.path == "/console/account/authenticator/add"
        assert parse_qs(parts.query)["next"] == [page_of(made)]
    assert nothing_was_given()


def test_a_session_that_showed_none_shows_it_first(made, bob):
    enrol(bob)
    browser = client_of(bob)
    for response in (browser.get(page_of(made)), allow(browser, page_of(made))):
        parts = urlsplit(response["Location"])
        assert parts.path == "/console/account/confirm"
        assert parse_qs(parts.query)["next"] == [page_of(made)]
    assert nothing_was_given()


def test_an_old_second_factor_of_this_session_is_enough(made, bob, now):
    enrol(bob)
    browser = client_of(bob, factor_at=now - timedelta(hours=3))
    assert browser.get(page_of(made)).status_code == 200


def test_the_form_needs_our_token(made, bob, now):
    enrol(bob)
    browser = client_of(bob, checks_csrf=True, factor_at=now)
    assert allow(browser, page_of(made)).status_code == 403
    assert nothing_was_given()


def test_only_allow_allows(browser, made):
    for decision in ("", "Allow", "yes"):
        response = browser.post(page_of(made), {"decision": decision, "products": ["CNC", "MIS"]})
        assert "status=cancelled" in response["Location"]
    assert nothing_was_given()


def test_what_was_read_is_what_is_given(browser, made, alice, now):
    browser.get(page_of(made))
    change_app(
        made.app,
        settings_of(products=["CNC", "MIS", "NRML"]),
        client_address=None,
        now=now,
    )
    assert allow(browser, page_of(made)).status_code == 400
    assert nothing_was_given()


def test_plain_http_and_a_live_account_do_not_meet(alice, bob, now):
    made = make_app(alice, now=now, redirect_url="http://127.0.0.1:5000/cb")
    enrol(bob)
    User.objects.filter(pk=bob.pk).update(second_factor_rule=SecondFactorRule.EVERY_SESSION)
    bob.refresh_from_db()
    browser = client_of(bob, factor_at=now)
    for response in (browser.get(page_of(made)), allow(browser, page_of(made), ["CNC"])):
        assert response.status_code == 400
        assert "unencrypted" in response.text
    assert nothing_was_given()


def test_a_live_account_shows_the_factor_in_this_session(made, bob, now):
    enrol(bob)
    User.objects.filter(pk=bob.pk).update(second_factor_rule=SecondFactorRule.EVERY_SESSION)
    times = {"trusted_at": now, "seen_at": now}
    place = TrustedAddress.objects.create(user=bob, network="127.0.0.1/32", **times)
    device = TrustedDevice.objects.create(user=bob, address=place, expires_at=now, **times)
    trusted = Client()
    stamp_client(trusted, bob, device_id=device.pk)
    for response in (trusted.get(page_of(made)), allow(trusted, page_of(made))):
        assert urlsplit(response["Location"]).path == "/console/account/confirm"
    assert nothing_was_given()
    assert client_of(bob, factor_at=now).get(page_of(made)).status_code == 200


def test_the_accounts_it_may_trade_in(browser, made, bob, now):
    make_account(bob, now=now)
    text = browser.get(page_of(made)).text
    assert 'data-mode="PAPER"' in text


def test_head_and_other_methods(browser, made):
    assert browser.head(page_of(made)).status_code == 200
    for method in ("put", "delete", "patch"):
        assert getattr(browser, method)(page_of(made)).status_code == 405
    assert nothing_was_given()


def test_a_stranger_cannot_use_bobs_page(made, bob):
    assert allow(Client(), page_of(made)).status_code == 302
    assert nothing_was_given()
