"""The pages of API apps: who sees what, what asks for the second factor, what is shown once."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiApp, ApiSession, AuditEvent, PostbackReceiver
from accounts.services.api_sessions import exchange
from accounts.tests.api_apps import REDIRECT, MadeApp, agree, make_app, open_session
from accounts.tests.factors import enrol
from finbyte_site.tests.console import client_of

pytestmark = pytest.mark.django_db
APPS = "/console/account/api-apps"
FORM = {"name": "Scalper", "redirect_url": REDIRECT, "postback_url": "", "products": ["CNC"]}


@pytest.fixture
def now():
    """Take the real time: requests come now."""
    return timezone.now()


@pytest.fixture
def browser(alice, now):
    """Alice's, who has just shown her second factor."""
    enrol(alice)
    return client_of(alice, factor_at=now)


@pytest.fixture
def made(alice, now):
    return make_app(alice, now=now)


def secret_on(response):
    return response.text.split('id="api-secret"')[1].split(">")[1].split("<")[0].strip()


def test_nothing_yet(browser):
    text = browser.get(APPS).text
    assert "Create your first app" in text
    assert "0 of 20" in text


def test_the_secret_is_shown_once_and_works(browser, alice, now):
    response = browser.post(f"{APPS}/new", FORM)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    secret = secret_on(response)
    made = MadeApp(ApiApp.objects.get(), secret)
    assert exchange(made.signed(agree(made, alice, now=now)), now=now).session.user == alice
    for path in (APPS, f"{APPS}/{made.app.pk}", f"{APPS}/{made.app.pk}/edit", "/console/"):
        assert secret not in browser.get(path).text
    again = browser.post(f"{APPS}/new", FORM)
    assert "an app of this name already" in again.text
    assert secret not in again.text
    assert ApiApp.objects.count() == 1


def test_a_new_secret_is_shown_once(browser, made):
    response = browser.post(f"{APPS}/{made.app.pk}/secret")
    assert "no-store" in response["Cache-Control"]
    assert secret_on(response) != made.secret
    assert len(secret_on(response)) == 43
    assert browser.get(f"{APPS}/{made.app.pk}/secret").status_code == 405


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("redirect_url", "http://evil.example/", "Use https://"),
        ("redirect_url", " https://a.example/", "plain letters"),
        ("postback_url", "https://localhost/", "public host name"),
        ("products", [], "required"),
        ("name", "", "required"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(browser, field, value, words):
    response = browser.post(f"{APPS}/new", {**FORM, field: value})
    assert words in response.text
    assert f'id="id_{field}_error"' in response.text
    assert not ApiApp.objects.exists()


def test_the_page_of_an_app(browser, made, bob, now):
    open_session(made, bob, now=now)
    text = browser.get(f"{APPS}/{made.app.pk}").text
    for words in (made.app.api_key, REDIRECT, bob.public_id, "06:00:00", "FINBYTE_API_SECRET"):
        assert words in text
    assert made.secret not in text
    assert "1 live" in browser.get(APPS).text


def test_changes(browser, made):
    response = browser.post(f"{APPS}/{made.app.pk}/edit", {**FORM, "name": "Grid"})
    assert response["Location"] == f"{APPS}/{made.app.pk}"
    assert ApiApp.objects.get().name == "Grid"
    assert 'value="Grid"' in browser.get(f"{APPS}/{made.app.pk}/edit").text


def test_addresses_are_set_and_then_stay(browser, made):
    page = f"{APPS}/{made.app.pk}"
    wrong = browser.post(f"{page}/addresses", {"first": "10.0.0.0/8", "second": ""})
    assert "at most two addresses" in wrong.text
    browser.post(f"{page}/addresses", {"first": "203.0.113.7", "second": ""})
    assert ApiApp.objects.get().allowed_addresses == ["203.0.113.7"]
    text = browser.get(page).text
    assert "once in seven days" in text
    assert 'name="first"' not in text
    refused = browser.post(f"{page}/addresses", {"first": "198.51.100.1"}, follow=True)
    assert "the next time from" in refused.text
    assert ApiApp.objects.get().allowed_addresses == ["203.0.113.7"]


def test_revoke(alice, made, bob, now):
    opened = open_session(made, bob, now=now)
    # Stopping asks for no second factor.
    browser = client_of(alice)
    assert browser.post(f"{APPS}/{made.app.pk}/revoke")["Location"] == APPS
    assert browser.get(f"{APPS}/{made.app.pk}").status_code == 404
    opened.session.refresh_from_db()
    assert opened.session.ended_at is not None


@pytest.mark.parametrize("who", ["maker", "user"])
def test_a_session_is_ended_by_either_side(alice, bob, made, now, who):
    opened = open_session(made, bob, now=now)
    browser = client_of(alice if who == "maker" else bob)
    if who == "user":
        assert f'Scalper <span class="quiet">by {alice.public_id}' in " ".join(
            browser.get(APPS).text.split()
        )
    page = "app" if who == "maker" else "list"
    response = browser.post(
        f"/console/account/api-sessions/{opened.session.pk}/end", {"page": page}
    )
    assert response["Location"] == (f"{APPS}/{made.app.pk}" if who == "maker" else APPS)
    opened.session.refresh_from_db()
    assert opened.session.ended_for == "ended on the page"


def test_nothing_of_somebody_else(bob, alice, made, now):
    opened = open_session(made, alice, now=now)
    enrol(bob)
    browser = client_of(bob, factor_at=now)
    events = AuditEvent.objects.count()
    page = f"{APPS}/{made.app.pk}"
    assert browser.get(page).status_code == 404
    assert browser.get(f"{page}/edit").status_code == 404
    for path in (
        f"{page}/edit",
        f"{page}/secret",
        f"{page}/addresses",
        f"{page}/revoke",
        f"/console/account/api-sessions/{opened.session.pk}/end",
    ):
        assert browser.post(path, {**FORM, "first": "203.0.113.7"}).status_code == 404
    app = ApiApp.objects.get()
    assert (app.name, app.allowed_addresses, app.revoked_at) == ("Scalper", [], None)
    assert app.sealed_secret == made.app.sealed_secret
    assert ApiSession.objects.get().ended_at is None
    assert AuditEvent.objects.count() == events
    assert made.app.api_key not in browser.get(APPS).text


def sensitive(made):
    page = f"{APPS}/{made.app.pk}"
    return [f"{APPS}/new", f"{page}/edit", f"{page}/secret", f"{page}/addresses"]


@pytest.mark.parametrize(
    ("state", "leads_to"),
    [
        ("nobody", "/console/account/log-in"),
        ("none enrolled", "/console/account/authenticator/add"),
        ("not shown", "/console/account/confirm"),
        ("six minutes ago", "/console/account/confirm"),
    ],
)
def test_secrets_and_addresses_ask_for_a_fresh_second_factor(alice, made, now, state, leads_to):
    if state not in {"nobody", "none enrolled"}:
        enrol(alice)
    at = now - timedelta(minutes=6) if state == "six minutes ago" else None
    browser = Client() if state == "nobody" else client_of(alice, factor_at=at)
    events = AuditEvent.objects.count()
    for path in sensitive(made):
        response = browser.post(path, {**FORM, "name": "Stolen", "first": "203.0.113.7"})
        assert response.status_code == 302
        assert urlsplit(response["Location"]).path == leads_to
    app = ApiApp.objects.get()
    assert (app.name, app.allowed_addresses) == ("Scalper", [])
    assert app.sealed_secret == made.app.sealed_secret
    assert AuditEvent.objects.count() == events


def test_forms_need_our_token(alice, made, now):
    enrol(alice)
    browser = client_of(alice, checks_csrf=True, factor_at=now)
    for path in [*sensitive(made), f"{APPS}/{made.app.pk}/revoke"]:
        assert browser.post(path, FORM).status_code == 403
    assert ApiApp.objects.get().revoked_at is None


def test_as_many_queries_for_many(browser, alice, bob, now, django_assert_max_num_queries):
    for number in range(10):
        open_session(make_app(alice, now=now, name=f"App {number}"), bob, now=now)
    with django_assert_max_num_queries(12):
        browser.get(APPS)


def test_the_page_tells_how_postbacks_go(browser, alice, now):
    app = make_app(alice, now=now, postback_url="https://hooks.example.com/k").app
    assert "Nothing was sent to this address yet." in browser.get(f"{APPS}/{app.pk}").text
    receiver = PostbackReceiver.objects.create(
        app=app, url=app.postback_url, delivered_at=now, answer="answered 200"
    )
    page = browser.get(f"{APPS}/{app.pk}").text
    assert "answered 200" in page
    assert "in a row" not in page
    receiver.failures, receiver.answer, receiver.failed_at = 3, "no answer within 3 s", now
    receiver.paused_until = timezone.now() + timedelta(minutes=2)
    receiver.save()
    words = "3 failures in a row. What was not taken is sent again for a day, next after"
    assert words in browser.get(f"{APPS}/{app.pk}").text
    # What is known of an address is not said of the next one.
    ApiApp.objects.filter(pk=app.pk).update(postback_url="https://hooks.example.com/other")
    assert "Nothing was sent to this address yet." in browser.get(f"{APPS}/{app.pk}").text


def test_an_app_without_an_address_has_no_postbacks(browser, made):
    assert "Postbacks" not in browser.get(f"{APPS}/{made.app.pk}").text
