from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, ConsoleSession, GuessBucket, LogInPlace
from accounts.session_store import key_digest
from accounts.views import access
from conftest import PASSWORD

pytestmark = pytest.mark.django_db
REFUSED = "E-mail or password is not right."
WRONG = "wrong horse battery staple"


@pytest.fixture(autouse=True)
def _no_earlier_posts(redis_client):
    """Start every test with all rates unused."""


class Clock:
    """The clock of the log-in page; a test can move it on."""

    def __init__(self):
        self.at = timezone.now()

    def now(self):
        return self.at

    def wait(self, seconds):
        self.at += timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(access, "timezone", clock)
    return clock


@pytest.fixture
def unlimited(settings):
    """Leave the rate of posts out, which goes by the real clock."""
    settings.RATELIMIT_ENABLE = False


@pytest.fixture
def hashes(monkeypatch):
    """Return the salts of all passwords hashed."""
    made: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        made.append(salt)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return made


def log_in(client, email, password=PASSWORD, **extra):
    return client.post(
        reverse("accounts:log-in"), {"username": email, "password": password}, **extra
    )


def test_log_in_by_email_in_any_case(client, alice):
    response = log_in(client, "Alice@EXAMPLE.com")
    assert response.status_code == 302
    assert response["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(alice.pk)
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.client_address) == ("log_in", alice, "127.0.0.1")
    assert event.detail == {"second_factor": False}
    assert LogInPlace.objects.get().network == "127.0.0.1/32"


def test_the_session_key_is_new_after_log_in(client, alice):
    session = client.session
    session["seen"] = True
    session.save()
    before = session.session_key
    log_in(client, alice.email)
    assert client.session.session_key != before
    assert not ConsoleSession.objects.filter(pk=key_digest(before)).exists()

    stolen = Client()
    stolen.cookies["finbyte_session"] = before
    assert stolen.get(reverse("accounts:profile")).status_code == 302
    assert client.get(reverse("accounts:profile")).status_code == 200


@pytest.mark.parametrize("case", ["wrong password", "unknown", "suspended"])
def test_whatever_is_wrong_the_words_are_the_same(client, alice, hashes, case):
    email, password = alice.email, PASSWORD
    if case == "wrong password":
        password = WRONG
    elif case == "unknown":
        email = "nobody@example.com"
    else:
        alice.is_active = False
        alice.save()
    response = log_in(client, email, password)
    assert response.status_code == 200
    assert response.context["form"].non_field_errors() == [REFUSED]
    assert "_auth_user_id" not in client.session
    assert len(hashes) == 1

    event = AuditEvent.objects.get()
    assert (event.kind, event.actor) == ("log_in_refused", None)
    attempt = AccessAttempt.objects.get()
    if case == "unknown":
        assert event.on_behalf_of is None
        assert set(event.detail) == {"address_digest"}
        assert "nobody" not in str(event.detail)
        assert attempt.username.startswith("unknown ")
        assert "nobody" not in attempt.username
    else:
        assert (event.on_behalf_of, event.detail) == (alice, {})
        assert attempt.username == alice.public_id


def test_nothing_that_was_typed_is_kept(client, alice):
    log_in(client, "my.secret.password@example.com", WRONG, QUERY_STRING="next=secret")
    log_in(client, alice.email, WRONG, HTTP_USER_AGENT="Mozilla/5.0 secret Firefox/1")
    log_in(client, alice.email)
    for model in (AccessAttempt, AccessLog, GuessBucket, AuditEvent):
        for row in model.objects.values():
            kept = " ".join(str(value) for value in row.values())
            assert "secret" not in kept
            assert "horse" not in kept
    assert {row.user_agent for row in AccessAttempt.objects.all()} == {"A program", "Firefox"}
    assert not AccessLog.objects.exists()


def test_what_is_no_address_is_neither_judged_nor_kept(client, hashes):
    response = log_in(client, "my secret password")
    assert response.status_code == 200
    assert "username" in response.context["form"].errors
    assert not AuditEvent.objects.exists()
    assert not AccessAttempt.objects.exists()
    assert hashes == []


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_next_leads_nowhere_else(client, alice, target):
    response = client.post(
        reverse("accounts:log-in"),
        {"username": alice.email, "password": PASSWORD, "next": target},
    )
    assert response["Location"] == reverse("home")
    # Nor for somebody who is logged in already.
    response = client.get(reverse("accounts:log-in"), {"next": target})
    assert response["Location"] == reverse("home")


def test_next_leads_back(client, alice):
    response = client.post(
        reverse("accounts:log-in"),
        {"username": alice.email, "password": PASSWORD, "next": reverse("accounts:profile")},
    )
    assert response["Location"] == reverse("accounts:profile")


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_after_ten_wrong_passwords_one_waits_512_s(client, alice, hashes, time, unlimited, email):
    for tries in range(10):
        assert log_in(client, email, WRONG).status_code == 200
        time.wait(2**tries - 1)
        early = log_in(client, email, WRONG)
        assert (early.status_code, early["Retry-After"]) == (429, "1")
        if tries < 9:
            time.wait(1)
    assert len(hashes) == 10
    time.wait(1 - 512)
    # Not even the right password is looked at.
    for password in (WRONG, PASSWORD):
        held = log_in(client, email, password)
        assert held.status_code == 429
        assert held["Retry-After"] == "512"
        assert "Your account is not locked: wait 9 minutes" in held.text
    assert len(hashes) == 10
    assert AuditEvent.objects.count() == 10
    assert AccessAttempt.objects.get().failures_since_start == 10
    assert "_auth_user_id" not in client.session


def test_whoever_waits_gets_in(client, alice, time, unlimited):
    for tries in range(10):
        log_in(client, alice.email, WRONG)
        time.wait(2**tries)
    assert log_in(client, alice.email)["Location"] == reverse("home")


def test_strangers_elsewhere_do_not_keep_the_owner_out(client, alice, time, hashes):
    log_in(client, alice.email, REMOTE_ADDR="198.51.100.7")
    client.logout()
    hashes.clear()
    tried = [
        log_in(Client(), alice.email, WRONG, REMOTE_ADDR=f"203.0.113.{number}").status_code
        for number in range(50)
    ]
    assert tried == [200] + [429] * 49
    assert len(hashes) == 1
    # From where he was before he gets in at once; and that gives the strangers nothing back.
    assert log_in(client, alice.email, REMOTE_ADDR="198.51.100.7").status_code == 302
    held = log_in(Client(), alice.email, WRONG, REMOTE_ADDR="203.0.113.200")
    assert (held.status_code, held["Retry-After"]) == (429, "1")


def test_one_address_may_not_try_many_accounts(client, time):
    answers = [
        log_in(client, f"user{number}@example.com", WRONG).status_code for number in range(6)
    ]
    assert answers == [200] * 5 + [429]
    # Others elsewhere may go on.
    elsewhere = log_in(client, "user9@example.com", WRONG, REMOTE_ADDR="203.0.113.9")
    assert elsewhere.status_code == 200


def test_posts_from_one_address_are_limited(client, one_window):
    answers = [log_in(client, f"user{number}").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]
    assert client.get(reverse("accounts:log-in")).status_code == 200
    assert log_in(client, "a@example.com", REMOTE_ADDR="203.0.113.9").status_code == 200


def test_without_redis_people_log_in_and_wrong_passwords_wait_all_the_same(
    client, alice, settings, caplog
):
    nobody = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nobody}
    assert log_in(client, alice.email, WRONG).status_code == 200
    assert log_in(Client(), alice.email, WRONG).status_code == 429
    assert log_in(client, "bob@example.com", WRONG, REMOTE_ADDR="203.0.113.9").status_code == 200
    assert "rates not counted, no Redis group=log_in" in caplog.text


def test_log_out_takes_a_post(client, alice):
    client.force_login(alice)
    assert client.get(reverse("accounts:log-out")).status_code == 405
    response = client.post(reverse("accounts:log-out"))
    assert response["Location"] == reverse("accounts:log-in")
    assert "_auth_user_id" not in client.session
    assert AuditEvent.objects.get().kind == "log_out"


def test_a_forged_log_out_is_refused(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(reverse("accounts:log-out")).status_code == 403
    assert "_auth_user_id" in client.session


def test_a_suspended_user_is_out_at_the_next_page(client, alice):
    client.force_login(alice)
    assert client.get(reverse("accounts:profile")).status_code == 200
    type(alice).objects.update(is_active=False)
    assert client.get(reverse("accounts:profile")).status_code == 302
