import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.exceptions import Refused, TooManyGuesses
from accounts.models import AuditEvent, AuthenticatorApp, ConsoleSession, LogInPlace
from accounts.services.devices import trust_device
from accounts.services.log_in import (
    LogInOutcome,
    begin,
    finish,
    has_password,
    pending_next,
    pending_user,
)
from accounts.services.sessions import stamp_of
from accounts.session_store import SessionStore, key_digest
from conftest import PASSWORD

HERE = "203.0.113.7"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser(session_key=None, *, address=HERE, cookies=None):
    """Return a request of a browser that keeps this session."""
    request = RequestFactory().post("/", REMOTE_ADDR=address, HTTP_USER_AGENT=FIREFOX)
    request.session = SessionStore(session_key)
    request.user = AnonymousUser()
    request.COOKIES.update(cookies or {})
    return request


def start(request, user, password=PASSWORD, *, now, mailed=None, **values):
    mailed = [] if mailed is None else mailed
    return begin(
        request,
        user.email,
        password,
        now=now,
        enqueue=lambda *told: mailed.append(told),
        **values,
    )


def end(request, user, *, now):
    return finish(request, user, now=now, enqueue=lambda *_told: None)


@pytest.fixture
def moment():
    """Return the time now: sessions are looked up by the real clock."""
    return timezone.now()


@pytest.fixture
def protected(alice):
    """Return alice with an authenticator app."""
    AuthenticatorApp.objects.create(user=alice, name="App", sealed_seed="-", confirmed=True)
    return alice


@pytest.mark.django_db
def test_without_a_second_factor_the_password_opens_the_session(alice, moment):
    request = browser()
    assert start(request, alice, now=moment) is LogInOutcome.OPENED
    stamp = stamp_of(request)
    assert (stamp.factor_at, stamp.password_at, stamp.address) == (None, moment, HERE)
    assert pending_user(request, now=moment) is None


@pytest.mark.django_db
def test_with_one_it_opens_nothing_yet(protected, moment):
    request = browser()
    request.session["planted"] = True
    request.session.save()
    before = request.session.session_key
    outcome = start(request, protected, now=moment, next_page="/console/bots/")
    assert outcome is LogInOutcome.SECOND_FACTOR
    assert stamp_of(request) is None
    assert "_auth_user_id" not in request.session
    assert pending_user(request, now=moment) == protected
    assert pending_next(request) == "/console/bots/"
    assert not AuditEvent.objects.exists()
    assert not LogInPlace.objects.exists()

    after_password = request.session.session_key
    assert after_password != before
    stamp = end(request, protected, now=moment + timedelta(minutes=10))
    assert stamp.factor_at == moment + timedelta(minutes=10)
    assert request.session.session_key not in {before, after_password}
    # Cookies from before the password and from before the second factor are dead.
    for key in (before, after_password):
        assert not ConsoleSession.objects.filter(pk=key_digest(key)).exists()
        assert not SessionStore(key).get("_auth_user_id")
    event = AuditEvent.objects.get()
    assert (event.kind, event.detail) == ("log_in", {"second_factor": True})
    assert pending_user(request, now=moment) is None


@pytest.mark.django_db
def test_a_refused_password_leaves_nothing_pending(protected, moment):
    request = browser()
    assert start(request, protected, "wrong", now=moment) is LogInOutcome.REFUSED
    assert pending_user(request, now=moment) is None
    assert not request.session.keys()
    with pytest.raises(TooManyGuesses) as held:
        start(request, protected, now=moment)
    assert held.value.seconds == 1
    assert pending_user(request, now=moment) is None


@pytest.mark.django_db
@pytest.mark.parametrize("case", ["too late", "new password", "suspended", "in the future"])
def test_a_pending_log_in_ends(protected, moment, case):
    request = browser()
    start(request, protected, now=moment)
    if case == "too late":
        moment += timedelta(minutes=10, seconds=1)
    elif case == "new password":
        protected.set_password("nine green bottles")
        protected.save()
    elif case == "suspended":
        type(protected).objects.update(is_active=False)
    else:
        moment -= timedelta(seconds=1)
    assert pending_user(request, now=moment) is None
    with pytest.raises(Refused):
        end(request, protected, now=moment)
    assert stamp_of(request) is None
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
def test_nobody_else_finishes_it(protected, bob, moment):
    request = browser()
    start(request, protected, now=moment)
    with pytest.raises(Refused):
        end(request, bob, now=moment)
    with pytest.raises(Refused):
        end(browser(), protected, now=moment)
    assert stamp_of(request) is None


@pytest.mark.django_db
def test_a_trusted_device_spares_the_second_factor_where_the_rule_lets_it(
    protected, moment, settings
):
    request = browser()
    start(request, protected, now=moment)
    end(request, protected, now=moment)
    _device, value = trust_device(request, protected, name="", now=moment)
    cookies = {settings.DEVICE_COOKIE_NAME: value}

    elsewhere = browser(address="198.51.100.9", cookies=cookies)
    assert start(elsewhere, protected, now=moment) is LogInOutcome.SECOND_FACTOR
    here = browser(cookies=cookies)
    assert start(here, protected, now=moment) is LogInOutcome.OPENED
    assert stamp_of(here).device_id == _device.pk
    assert stamp_of(here).factor_at is None

    protected.second_factor_rule = SecondFactorRule.EVERY_SESSION
    protected.save()
    value = here.device_cookie.value
    again = browser(cookies={settings.DEVICE_COOKIE_NAME: value})
    assert start(again, protected, now=moment) is LogInOutcome.SECOND_FACTOR


@pytest.mark.django_db
def test_a_password_typed_again_is_guarded_too(alice, bob, moment):
    assert has_password(browser(), alice, PASSWORD, now=moment)
    assert not has_password(browser(), alice, "wrong", now=moment)
    with pytest.raises(TooManyGuesses):
        has_password(browser(), alice, PASSWORD, now=moment)
    assert has_password(browser(), alice, PASSWORD, now=moment + timedelta(seconds=1))


@pytest.mark.django_db
def test_strangers_have_no_second_step(client, alice):
    page = client.get(reverse("accounts:second-factor"))
    assert page["Location"] == reverse("accounts:log-in")
    session = client.session
    session["pending_log_in"] = None
    session.save()
    assert Client().post(reverse("accounts:second-factor"), {"code": "123456"}).status_code == 302


def test_of_20_log_ins_at_once_one_password_is_looked_at(real_db, alice, now, monkeypatch):
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self, password, salt):
        hashed.append(salt)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    line = threading.Barrier(20)

    def run(_number):
        line.wait()
        try:
            return start(browser(), alice, "wrong", now=now)
        except TooManyGuesses as refusal:
            return refusal.seconds
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(run, range(20)))
    assert answers.count(LogInOutcome.REFUSED) == 1
    assert answers.count(1) == 19
    assert len(hashed) == 1
    assert AuditEvent.objects.count() == 1
