import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from urllib.parse import unquote

import pytest
from django.conf import settings as live_settings
from django.contrib.auth.tokens import default_token_generator
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts import urls_security
from accounts.domain.roles import SecondFactorRule
from accounts.models import (
    AuditEvent,
    AuthenticatorApp,
    ConsoleSession,
    FactorGuesses,
    TrustedDevice,
)
from accounts.selectors import has_second_factor, recovery_codes_left
from accounts.session_store import SessionStore
from accounts.tests.factors import Phone, enrol, give_recovery_codes
from conftest import PASSWORD
from finbyte_site.tests.console import client_of, stamp_client

PAGE = reverse("accounts:second-factor")
HOME = reverse("home")


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


@pytest.fixture(autouse=True)
def mailed(monkeypatch):
    """Return what was handed to the mailing tasks."""
    calls: list[tuple] = []
    for route in urls_security.urlpatterns:
        for name in route.default_args:
            monkeypatch.setitem(route.default_args, name, lambda *call: calls.append(call))
    return calls


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test sets; it starts at the beginning of a half minute."""
    at = [datetime(2026, 3, 2, 4, 30, tzinfo=UTC)]
    monkeypatch.setattr("django.utils.timezone.now", lambda: at[0])
    return at


def pending(user, **extra):
    """Return a browser that has shown the user's password."""
    client = Client(**extra)
    form = {"username": user.email, "password": PASSWORD}
    response = client.post(reverse("accounts:log-in"), form)
    assert response["Location"].startswith(PAGE)
    return client


def is_logged_in(client):
    return client.get(reverse("accounts:profile")).status_code == 200


def stamp(client):
    return SessionStore(client.session.session_key).stamp


@pytest.mark.django_db
class TestLogIn:
    def test_the_password_alone_opens_nothing(self, alice):
        enrol(alice)
        client = pending(alice)
        assert not is_logged_in(client)
        assert not ConsoleSession.objects.for_user(alice).exists()
        page = client.get(PAGE)
        assert page.status_code == 200
        assert 'autocomplete="one-time-code"' in page.text
        assert 'inputmode="numeric"' in page.text
        assert "no-store" in page["Cache-Control"]

    def test_a_right_code_opens_a_session_under_a_new_key(self, alice):
        phone = enrol(alice)
        client = pending(alice)
        before = client.session.session_key
        response = client.post(PAGE, {"code": phone.code(timezone.now())})
        assert response["Location"] == HOME
        assert is_logged_in(client)
        assert client.session.session_key != before
        assert not SessionStore().exists(before)
        assert stamp(client).factor_at is not None
        assert AuditEvent.objects.filter(kind="log_in").get().detail["second_factor"] is True

    def test_a_wrong_code_opens_nothing_and_then_waits(self, alice):
        phone = enrol(alice)
        client = pending(alice)
        wrong = client.post(PAGE, {"code": phone.wrong(timezone.now())})
        assert (wrong.status_code, "wrong or was used before" in wrong.text) == (200, True)
        waits = client.post(PAGE, {"code": phone.code(timezone.now())})
        assert (waits.status_code, "your account is not locked" in waits.text) == (429, True)
        assert not is_logged_in(client)
        assert FactorGuesses.objects.get().failures == 1

    def test_a_code_does_not_open_a_second_log_in(self, alice):
        phone = enrol(alice)
        code = phone.code(timezone.now())
        assert pending(alice).post(PAGE, {"code": code}).status_code == 302
        second = pending(alice)
        assert second.post(PAGE, {"code": code}).status_code == 200
        assert not is_logged_in(second)

    def test_a_recovery_code_opens_too(self, alice, now, mailed):
        enrol(alice)
        codes = give_recovery_codes(alice, now=now)
        client = pending(alice)
        assert "Like 01 ABCD" in client.get(f"{PAGE}?recovery").text
        assert client.post(f"{PAGE}?recovery", {"code": str(codes[0])})["Location"] == HOME
        assert is_logged_in(client)
        assert recovery_codes_left(alice) == 9

    def test_without_a_password_before_it_there_is_no_page(self, alice):
        phone = enrol(alice)
        client = Client()
        response = client.post(PAGE, {"code": phone.code(timezone.now())})
        assert response["Location"] == reverse("accounts:log-in")
        assert not is_logged_in(client)
        assert AuthenticatorApp.objects.get().last_step == -1

    def test_after_ten_minutes_the_password_is_asked_again(self, alice, clock):
        phone = enrol(alice)
        client = pending(alice)
        clock[0] += timedelta(minutes=10, seconds=1)
        response = client.post(PAGE, {"code": phone.code(clock[0])}, follow=True)
        assert "has to follow within ten minutes" in response.text
        assert not is_logged_in(client)

    def test_ten_wrong_codes_lock_nothing(self, alice, clock):
        phone = enrol(alice)
        client = pending(alice)
        for failure in range(9):
            assert client.post(PAGE, {"code": phone.wrong(clock[0])}).status_code == 200
            clock[0] += timedelta(seconds=2**failure)
        assert client.post(PAGE, {"code": phone.wrong(clock[0])}).status_code == 200
        clock[0] += timedelta(seconds=2**9 - 1)
        client = pending(alice)
        early = client.post(PAGE, {"code": phone.code(clock[0])})
        assert (early.status_code, "Wait 1 second, then" in early.text) == (429, True)
        assert not is_logged_in(client)
        clock[0] += timedelta(seconds=1)
        assert client.post(PAGE, {"code": phone.code(clock[0])})["Location"] == HOME

    def test_trust_is_given_when_ticked_only(self, alice):
        phone = enrol(alice)
        client = pending(alice, REMOTE_ADDR="203.0.113.7")
        assert "203.0.113.7" in client.get(PAGE).text
        client.post(PAGE, {"code": phone.code(timezone.now())})
        assert not TrustedDevice.objects.exists()
        client = pending(alice, REMOTE_ADDR="203.0.113.7")
        code = phone.code(timezone.now(), steps=1)
        AuthenticatorApp.objects.update(drift=1)
        client.post(PAGE, {"code": code, "trust": "on"})
        assert TrustedDevice.objects.get().user == alice
        client.post(reverse("accounts:log-out"))
        again = client.post(
            reverse("accounts:log-in"), {"username": alice.email, "password": PASSWORD}
        )
        assert again["Location"] == HOME

    def test_trust_is_not_offered_where_every_session_asks(self, alice):
        phone = enrol(alice)
        alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
        alice.save()
        client = pending(alice)
        assert "Trust this device" not in client.get(PAGE).text
        client.post(PAGE, {"code": phone.code(timezone.now()), "trust": "on"})
        assert is_logged_in(client)
        assert not TrustedDevice.objects.exists()

    def test_a_reset_password_keeps_the_second_factor(self, alice):
        phone = enrol(alice)
        link = reverse(
            "accounts:password-reset-confirm",
            args=[
                urlsafe_base64_encode(force_bytes(alice.pk)),
                default_token_generator.make_token(alice),
            ],
        )
        client = Client()
        form = client.get(link, follow=True).request["PATH_INFO"]
        new = "eight maids a milking"
        client.post(form, {"new_password1": new, "new_password2": new})
        alice.refresh_from_db()
        assert alice.check_password(new)
        assert has_second_factor(alice)
        log_in = client.post(reverse("accounts:log-in"), {"username": alice.email, "password": new})
        assert log_in["Location"].startswith(PAGE)
        assert not is_logged_in(client)
        client.post(PAGE, {"code": phone.code(timezone.now())})
        assert is_logged_in(client)


def test_of_100_log_ins_with_one_code_one_succeeds(real_db, alice):
    """Each with a password of its own before it, all at the same moment."""
    phone, first = enrol(alice), pending(alice)
    kept = first.session["pending_log_in"]
    clients = [Client() for _ in range(100)]
    for client in clients:
        session = client.session
        session["pending_log_in"] = kept
        session.save()
    code, start = phone.code(timezone.now()), Barrier(100)

    def send(client):
        start.wait()
        try:
            return client.post(PAGE, {"code": code}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(send, clients))
    assert answers.count(302) == 1
    # The next one is wrong, and everybody after it has to wait.
    assert answers.count(200) + answers.count(429) == 99
    assert ConsoleSession.objects.for_user(alice).count() == 1
    assert AuditEvent.objects.filter(kind="log_in").count() == 1


@pytest.mark.django_db
class TestEnrolment:
    ADD = reverse("accounts:authenticator-add")

    def seed_on(self, page):
        key = re.search(r'<code[^>]*id="key"[^>]*>([^<]+)<', page.text)[1].replace(" ", "")
        assert len(key) == 32
        return key

    def test_a_code_of_what_is_shown_enrols_and_leads_to_the_codes(self, alice):
        client, elsewhere = client_of(alice), client_of(alice)
        page = client.get(self.ADD)
        assert 'src="data:image/svg+xml' in page.text
        assert "style=" not in unquote(re.search(r'src="(data:[^"]+)"', page.text)[1])
        assert "no-store" in page["Cache-Control"]
        seed = self.seed_on(page)
        assert self.seed_on(client.get(self.ADD)) == seed
        before = client.session.session_key
        response = client.post(self.ADD, {"code": Phone(seed).code(timezone.now())})
        assert response["Location"] == reverse("accounts:recovery-codes")
        assert has_second_factor(alice)
        assert client.session.session_key != before
        assert stamp(client).factor_at is not None
        assert not is_logged_in(elsewhere)
        for name in ("authenticator-add", "security", "recovery-codes"):
            assert seed not in client.get(reverse(f"accounts:{name}")).text.replace(" ", "")

    def test_a_wrong_code_enrols_nothing_and_shows_the_same_key(self, alice):
        client = client_of(alice)
        seed = self.seed_on(client.get(self.ADD))
        page = client.post(self.ADD, {"code": Phone(seed).wrong(timezone.now())})
        assert "This code does not fit" in page.text
        assert self.seed_on(page) == seed
        assert not has_second_factor(alice)

    def test_the_offer_lies_sealed_in_the_session(self, alice):
        client = client_of(alice)
        seed = self.seed_on(client.get(self.ADD))
        row = ConsoleSession.objects.get()
        assert seed not in str(SessionStore().decode(row.session_data))

    def test_it_asks_for_what_is_there(self, alice, clock):
        client = Client()
        stamp_client(client, alice, started_at=clock[0])
        assert client.get(self.ADD).status_code == 200
        clock[0] += timedelta(minutes=5, seconds=1)
        assert client.get(self.ADD)["Location"].startswith(reverse("accounts:confirm"))
        enrol(alice)
        stamp_client(client, alice, started_at=clock[0])
        assert client.get(self.ADD)["Location"].startswith(reverse("accounts:confirm"))
        assert client.post(self.ADD, {"code": "123456"}).status_code == 302
        stamp_client(client, alice, started_at=clock[0], factor_at=clock[0])
        assert "stops working" in client.get(self.ADD).text

    def test_removing_asks_once_more(self, alice):
        enrol(alice)
        client = client_of(alice, factor_at=timezone.now())
        address = reverse("accounts:authenticator-remove")
        assert "your only second factor" in client.get(address).text
        assert has_second_factor(alice)
        assert client.post(address)["Location"] == reverse("accounts:security")
        assert not has_second_factor(alice)
        assert AuditEvent.objects.get(kind="authenticator_removed").actor == alice

    def test_removing_is_refused_where_every_session_asks(self, alice):
        enrol(alice)
        alice.second_factor_rule = SecondFactorRule.EVERY_SESSION
        alice.save()
        client = client_of(alice, factor_at=timezone.now())
        page = client.post(reverse("accounts:authenticator-remove"), follow=True)
        assert "asks for a second factor in every session" in page.text
        assert has_second_factor(alice)


@pytest.mark.django_db
class TestRecoveryCodes:
    PAGE = reverse("accounts:recovery-codes")

    def test_they_are_shown_once_with_a_file(self, alice):
        enrol(alice)
        client = client_of(alice, factor_at=timezone.now())
        assert "You have no recovery codes" in client.get(self.PAGE).text
        page = client.post(self.PAGE)
        codes = re.findall(r"\d\d(?: [0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})", page.text)
        assert len(codes) == 10
        assert "no-store" in page["Cache-Control"]
        link = re.search(r'href="data:text/plain;charset=utf-8,([^"]+)"', page.text)[1]
        assert unquote(link).split("\r\n")[2:12] == codes
        assert recovery_codes_left(alice) == 10
        assert not any(code in client.get(self.PAGE).text for code in codes)

    def test_few_are_warned_of(self, alice, now):
        enrol(alice)
        give_recovery_codes(alice, now=now)
        alice.recovery_codes.filter(slot__lte=6).update(used_at=now)
        client = client_of(alice, factor_at=timezone.now())
        security = reverse("accounts:security")
        assert "4 of your 10 codes are left" in client.get(self.PAGE).text
        assert "let you in when your phone is lost" not in client.get(security).text
        alice.recovery_codes.filter(slot=7).update(used_at=now)
        assert "Only 3 of your codes are left" in client.get(self.PAGE).text
        assert "You have 3 recovery codes left" in client.get(security).text

    def test_making_them_asks_for_a_fresh_factor(self, alice, now):
        enrol(alice)
        give_recovery_codes(alice, now=now)
        made = alice.recovery_codes.first().code_hash
        stale = client_of(alice, factor_at=timezone.now() - timedelta(minutes=6))
        assert stale.post(self.PAGE)["Location"].startswith(reverse("accounts:confirm"))
        assert alice.recovery_codes.first().code_hash == made


@pytest.mark.django_db
def test_the_overview_tells_what_protects_the_account(alice, now):
    client = client_of(alice)
    page = client.get(reverse("accounts:security")).text
    assert "Only your password protects this account" in page
    enrol(alice)
    give_recovery_codes(alice, now=now)
    page = client.get(reverse("accounts:security")).text
    assert "Only your password" not in page
    assert "10 of 10 left" in page


def test_the_pages_hand_their_mail_to_the_tasks():
    named = {route.name: route.default_args for route in urls_security.urlpatterns}
    assert live_settings.CELERY_TASK_SERIALIZER == "json"
    for name in ("second-factor", "second-factor-passkey-complete", "recovery-codes"):
        assert set(named[name]) == {"enqueue"}


def test_with_its_key_lost_an_app_is_set_up_anew_after_a_recovery_code(
    real_db, alice, clock, settings
):
    phone, codes = enrol(alice), give_recovery_codes(alice, now=clock[0])
    settings.FIELD_KEYS = ["another key " * 3]
    client = pending(alice)
    response = client.post(PAGE, {"code": phone.code(clock[0])})
    assert (response.status_code, is_logged_in(client)) == (200, False)
    assert "Codes of your app cannot be checked any more." in response.text
    assert not FactorGuesses.objects.filter(failures__gt=0).exists()
    client.post(f"{PAGE}?recovery", {"code": str(codes[0])})
    assert is_logged_in(client)
    add = reverse("accounts:authenticator-add")
    key = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", client.get(add).text)[0]
    settings.FIELD_KEYS = ["a third key " * 3]
    other = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", client.get(add).text)[0]
    assert other != key
    client.post(add, {"code": Phone(other.replace(" ", "")).code(clock[0])})
    clock[0] += timedelta(seconds=30)
    again = pending(alice)
    again.post(PAGE, {"code": Phone(other.replace(" ", "")).code(clock[0])})
    assert is_logged_in(again)
