"""Secrets planted in every field that holds one, and looked for in what a thief could carry off."""

import logging
import re
import subprocess
from base64 import b32decode, b64decode
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone
from django_otp.oath import hotp

from accounts.domain import tokens, totp
from accounts.models import ApiApp, AuditEvent, ConsoleSession
from accounts.services import api_apps, api_sessions, connect, devices
from accounts.services.authenticators import add_authenticator
from accounts.services.factor_changes import Act
from accounts.services.passwords import mail_reset_link
from accounts.services.recovery_codes import make_recovery_codes
from accounts.tasks import send_reset_link
from conftest import PASSWORD
from finbyte_site.embedded.postgres import INSTALLATION, PACKAGE
from finbyte_site.tests import canaries
from finbyte_site.tests.console import stamp_client
from market.domain.credentials import Credentials
from portfolio.domain.connections import CONNECTIONS
from portfolio.services import compliance, venue_credentials

LEAST_PLANTED = 14
# Fields whose names speak of secrets: what `plant` puts there, or why nothing has to be. A new
# field fails a test until it stands here.
FIELDS = {
    "accounts.User.password": "password",
    "accounts.AuthenticatorApp.sealed_seed": "TOTP seed",
    "accounts.RecoveryCode.code_hash": "recovery code",
    "accounts.ApiApp.sealed_secret": "API secret",
    "accounts.ApiSession.access_digest": "access token",
    "accounts.ApiSession.refresh_digest": "refresh token",
    "accounts.RequestToken.digest": "request token",
    "accounts.DeviceToken.digest": "device cookie",
    "accounts.ConsoleSession.session_key": "session cookie",
    "accounts.ConsoleSession.session_data": "session cookie",
    "portfolio.VenueCredentials.sealed_key": "venue secret",
    "accounts.ApiApp.secret_made_at": "a time",
    "market.Instrument.instrument_token": "a public number",
    "market.Instrument.exchange_token": "a public number",
}
SPEAKING = re.compile(r"sealed|secret|token|passw|digest|code_hash|seed|session_(key|data)|cookie")
OURS = {"accounts", "api", "bots", "market", "portfolio", "finbyte_site"}


@dataclass
class Planted:
    """Secrets by what they are, in every way they are written."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what, *texts):
        assert all(texts), what
        self.texts.setdefault(what, []).extend(texts)

    def found_in(self, heap):
        """Say which secrets, whole or half, are in the heap."""
        lower = heap.lower()
        return sorted(
            {
                what
                for what, texts in self.texts.items()
                for text in texts
                for part in (text, text[: len(text) // 2], text[len(text) // 2 :])
                if part.upper() != canaries.MARKER and len(part) >= 8
                if part.lower().encode() in lower
            }
        )


def _factors(planted, user, now):
    act = Act(client_address="127.0.0.1", session=None, enqueue=lambda *_told: None, now=now)
    seed = totp.new_seed()
    code = hotp(b32decode(seed), totp.step_at(now))
    add_authenticator(user, seed, f"{code:06d}", act=act)
    planted.add("TOTP seed", seed, totp.in_fours(seed), b32decode(seed).hex())
    for each in make_recovery_codes(user, act=act):
        planted.add("recovery code", str(each), each.letters)


def _app(planted, user, stamp, now):
    made = {"client_address": "127.0.0.1", "now": now}
    wanted = api_apps.AppSettings(
        name="Mine", redirect_url="https://app.example.com/back", postback_url="", products=["CNC"]
    )
    app, old = api_apps.create_app(user, wanted, **made)
    app, secret = api_apps.rotate_secret(app, **made)
    back = connect.approve(
        user,
        connect.LogInRequest(api_key=app.api_key, redirect_params="", state=""),
        products=ApiApp.objects.get(pk=app.pk).products,
        session_id=stamp.public_id,
        **made,
    )
    token = parse_qs(urlsplit(back).query)["request_token"][0]
    signed = tokens.checksum(app.api_key, token, secret)
    opened = api_sessions.exchange(
        api_sessions.SignedRequest(app.api_key, token, signed, "127.0.0.1"), now=now
    )
    planted.add("API secret", old, secret)
    planted.add("request token", token)
    planted.add("checksum", signed)
    planted.add("access token", opened.access_token)
    planted.add("refresh token", opened.refresh_token.partition(".")[2])


def _venue_key(planted, user, now, monkeypatch):
    key, secret = canaries.marked("k" * 56), canaries.marked("s" * 56)
    monkeypatch.setattr(venue_credentials, "check_of", lambda _venue: None)
    wish = venue_credentials.Wish(
        connection=CONNECTIONS["BINANCE_TESTNET"],
        name="Testnet",
        profile="CRYPTO_TESTNET",
        credentials=Credentials(key=key, secret=secret),
    )
    act = compliance.Act(actor=user, owner=user, client_address="127.0.0.1", now=now)
    venue_credentials.connect_account(wish, act=act)
    planted.add("venue key", key)
    planted.add("venue secret", secret)


def _browser(planted, user, now):
    client = Client(enforce_csrf_checks=True)
    stamp = stamp_client(client, user, factor_at=now)
    assert client.get("/console/account/profile").status_code == 200
    planted.add("session cookie", client.cookies[settings.SESSION_COOKIE_NAME].value)
    page = client.get("/console/account/password-change")
    planted.add("CSRF secret", client.cookies[settings.CSRF_COOKIE_NAME].value)
    planted.add("CSRF token", re.findall(r'"X-CSRFToken": "(\w+)"', page.text)[0])
    request = RequestFactory().get("/", headers={"User-Agent": "Mozilla/5.0 Firefox/140.0"})
    request.session, request.user = client.session, user
    _, cookie = devices.trust_device(request, user, name="Laptop", now=now)
    planted.add("device cookie", cookie)
    return stamp


@pytest.fixture
def planted(real_db, redis_client, alice, monkeypatch):
    now, planted = timezone.now(), Planted()
    planted.add("password", PASSWORD)
    _factors(planted, alice, now)
    stamp = _browser(planted, alice, now)
    _app(planted, alice, stamp, now)
    _venue_key(planted, alice, now, monkeypatch)
    mail_reset_link(alice.email)
    planted.add("reset link", re.findall(r"password-reset/\w+/([\w-]+)", mail.outbox[-1].body)[0])
    send_reset_link.delay(alice.email)
    planted.add("SECRET_KEY", settings.SECRET_KEY)
    planted.add("FIELD_KEYS", *settings.FIELD_KEYS)
    return planted


def dump_of(url):
    """Return what pg_dump carries off."""
    package = Path(find_spec(PACKAGE).origin).parent / INSTALLATION / "bin" / "pg_dump"
    done = subprocess.run([package, "--inserts", url], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def redis_heap(client):
    """Return every key and value, and what the messages of tasks say."""
    heap = [f"{client.connection_pool.connection_kwargs['db']}".encode()]
    readers = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    for key in client.scan_iter(count=1000):
        value = readers[client.type(key)](key)
        heap += [key, value if isinstance(value, bytes) else repr(value).encode()]
    whole = b"\n".join(heap)
    # Celery packs what its messages say.
    bodies = re.findall(rb'"body": "([A-Za-z0-9+/=]+)"', whole)
    return b"\n".join([whole, *map(b64decode, bodies)])


def test_a_dump_holds_no_secret_and_opens_no_session(real_db, redis_client, planted, alice):
    assert len(planted.texts) >= LEAST_PLANTED
    wanted = {what for what in FIELDS.values() if not what.startswith("a ")}
    assert wanted <= set(planted.texts)
    dump = dump_of(real_db.url)
    assert alice.email.encode() in dump
    assert b"api_app_create" in dump
    assert planted.found_in(dump) == []
    assert not canaries.holds_marker(dump)
    cached = redis_heap(redis_client)
    assert alice.email.encode() in cached
    assert planted.found_in(cached) == []
    assert not canaries.holds_marker(cached)
    for key in ConsoleSession.objects.values_list("pk", flat=True):
        thief = Client()
        thief.cookies[settings.SESSION_COOKIE_NAME] = key
        assert thief.get("/console/account/profile").status_code == 302


def test_the_audit_log_holds_no_secret(planted):
    rows = list(AuditEvent.objects.values("kind", "target", "detail"))
    kinds = {row["kind"] for row in rows}
    assert {"api_app_create", "api_app_rotate", "api_consent", "venue_account_connected"} <= kinds
    assert planted.found_in(repr(rows).encode()) == []


def test_the_search_finds_what_is_there(planted):
    for what, texts in planted.texts.items():
        assert what in planted.found_in(f"x{texts[0].upper()}x".encode())
        half = texts[0][: len(texts[0]) // 2]
        assert len(half) < 8 or what in planted.found_in(half.encode())


def test_every_field_that_speaks_of_a_secret_is_known():
    found = {
        f"{model._meta.app_label}.{model.__name__}.{each.name}"
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for each in model._meta.concrete_fields
        if SPEAKING.search(each.name) and not each.is_relation
    }
    assert found == set(FIELDS)


def test_secrets_of_the_suite_carry_the_marker():
    assert canaries.holds_marker(tokens.new_token().encode())
    assert len(tokens.new_token()) == 43
    assert canaries.holds_marker(totp.in_fours(totp.new_seed()).encode())
    assert len({tokens.new_token() for _ in range(100)}) == 100


def test_a_logged_secret_fails_the_test_that_logs_it(log_watch):
    logging.getLogger("accounts.x").warning("here it is: FBCA-NARY")
    assert len(log_watch.taken()) == 1
    logging.getLogger("accounts.x").warning("token %s", tokens.new_token())
    assert log_watch.taken() == []
