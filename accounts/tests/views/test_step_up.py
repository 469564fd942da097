from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts import urls_security
from accounts.domain.step_up import Strength
from accounts.models import AuditEvent, FactorGuesses, TrustedAddress, TrustedDevice
from accounts.session_store import SessionStore
from accounts.tests.factors import enrol
from accounts.views.step_up import requires_factor
from conftest import PASSWORD
from finbyte_site.tests.console import stamp_client

pytestmark = pytest.mark.django_db
CONFIRM = reverse("accounts:confirm")
SECURITY = reverse("accounts:security")
FOREIGN = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "javascript:alert(1)",
    "http:evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "http://testserver@evil.example/",
    "http://testserver.evil.example/",
    "data:text/html,x",
    " https://evil.example",
    "",
]


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client, monkeypatch):
    """Start every test with all rates unused, and mail nothing."""
    for route in urls_security.urlpatterns:
        for name in route.default_args:
            monkeypatch.setitem(route.default_args, name, lambda *_: None)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test sets."""
    at = [datetime(2026, 3, 2, 4, 30, tzinfo=UTC)]
    monkeypatch.setattr("django.utils.timezone.now", lambda: at[0])
    return at


@pytest.fixture
def browser(alice, clock):
    """Return a browser in which alice has just logged in, with a password only."""
    client = Client()
    stamp_client(client, alice, started_at=clock[0])
    return client


def ask(client, user, strength=Strength.FRESH_FACTOR, **options):
    """Call a protected view in the browser's session; return where it leads, or "done"."""
    request = RequestFactory().get("/console/secret?x=1")
    request.user, request.session = user, SessionStore(client.session.session_key)
    view = requires_factor(strength, **options)(lambda _request: HttpResponse("done"))
    response = view(request)
    return response["Location"] if response.status_code == 302 else response.content.decode()


def test_a_factor_is_fresh_for_five_minutes_to_the_second(browser, alice, clock):
    phone = enrol(alice)
    led = ask(browser, alice)
    assert led == f"{CONFIRM}?next=%2Fconsole%2Fsecret%3Fx%3D1"
    response = browser.post(led, {"code": phone.code(clock[0])})
    assert response["Location"] == "/console/secret?x=1"
    clock[0] += timedelta(minutes=5)
    assert ask(browser, alice) == "done"
    clock[0] += timedelta(seconds=1)
    assert ask(browser, alice) == led


def test_a_fresh_password_does_where_no_factor_is_enrolled(browser, alice, clock):
    assert ask(browser, alice) == "done"
    clock[0] += timedelta(minutes=5, seconds=1)
    assert ask(browser, alice).startswith(CONFIRM)
    assert "Enter your password again" in browser.get(CONFIRM).text
    response = browser.post(f"{CONFIRM}?next={SECURITY}", {"password": PASSWORD})
    assert response["Location"] == SECURITY
    assert ask(browser, alice) == "done"


def test_a_fresh_password_does_not_where_one_is_enrolled(browser, alice):
    enrol(alice)
    assert ask(browser, alice).startswith(CONFIRM)
    page = browser.post(CONFIRM, {"password": PASSWORD})
    assert page.status_code == 200
    assert ask(browser, alice).startswith(CONFIRM)


def test_an_act_that_demands_one_leads_to_the_enrolment(browser, alice):
    led = ask(browser, alice, enrolled=True)
    assert led.startswith(reverse("accounts:authenticator-add"))


def test_a_trusted_device_spares_the_weaker_step_up_only(browser, alice, clock):
    enrol(alice)
    assert ask(browser, alice, Strength.SESSION_FACTOR).startswith(CONFIRM)
    at = clock[0]
    address = TrustedAddress.objects.create(
        user=alice, network="127.0.0.1/32", trusted_at=at, seen_at=at
    )
    device = TrustedDevice.objects.create(
        user=alice,
        address=address,
        browser="A program",
        trusted_at=at,
        seen_at=at,
        expires_at=at + timedelta(days=30),
    )
    stamp_client(browser, alice, started_at=at, device_id=device.pk)
    assert ask(browser, alice, Strength.SESSION_FACTOR) == "done"
    assert ask(browser, alice).startswith(CONFIRM)


def test_a_factor_shown_once_lasts_the_session_for_the_weaker_step_up(browser, alice, clock):
    phone = enrol(alice)
    browser.post(CONFIRM, {"code": phone.code(clock[0])})
    clock[0] += timedelta(hours=3)
    assert ask(browser, alice, Strength.SESSION_FACTOR) == "done"
    assert ask(browser, alice).startswith(CONFIRM)


def test_confirming_gives_a_new_key_and_is_recorded(browser, alice, clock):
    phone = enrol(alice)
    before = browser.session.session_key
    browser.post(CONFIRM, {"code": phone.code(clock[0])})
    assert browser.session.session_key != before
    assert not SessionStore().exists(before)
    assert AuditEvent.objects.get(kind="step_up").actor == alice


def test_a_wrong_code_confirms_nothing_and_a_used_one_neither(browser, alice, clock):
    phone = enrol(alice)
    page = browser.post(CONFIRM, {"code": phone.wrong(clock[0])})
    assert page.status_code == 200
    assert phone.wrong(clock[0]) not in page.text
    assert browser.post(CONFIRM, {"code": phone.code(clock[0])}).status_code == 429
    assert ask(browser, alice).startswith(CONFIRM)
    clock[0] += timedelta(seconds=1)
    assert browser.post(CONFIRM, {"code": phone.code(clock[0])}).status_code == 302
    clock[0] += timedelta(minutes=6)
    stale = phone.code(clock[0] - timedelta(minutes=6))
    assert browser.post(CONFIRM, {"code": stale}).status_code == 200
    assert ask(browser, alice).startswith(CONFIRM)


def test_a_wrong_password_confirms_nothing(browser, alice, clock):
    clock[0] += timedelta(minutes=6)
    page = browser.post(CONFIRM, {"password": "wrong"})
    assert "This is not your password" in page.text
    assert ask(browser, alice).startswith(CONFIRM)
    assert not FactorGuesses.objects.exists()


def test_the_way_back_stays_on_this_site(browser, alice, clock):
    phone = enrol(alice)
    for address in FOREIGN:
        clock[0] += timedelta(seconds=30)
        code = {"code": phone.code(clock[0])}
        response = browser.post(CONFIRM, code, query_params={"next": address})
        assert response["Location"] == SECURITY, address


def test_a_sent_form_comes_back_to_its_page_and_live_parts_load_a_page(browser, alice):
    enrol(alice)
    address = reverse("accounts:authenticator-remove")
    led = browser.post(address, headers={"Referer": f"http://testserver{SECURITY}"})
    assert led["Location"] == f"{CONFIRM}?next=%2Fconsole%2Faccount%2Fsecurity"
    foreign = browser.post(address, headers={"Referer": "https://evil.example/x"})
    assert foreign["Location"] == f"{CONFIRM}?next=%2Fconsole%2F"
    part = browser.post(address, headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"][: len(CONFIRM)]) == (204, CONFIRM)
