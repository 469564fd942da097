"""What is written to the logs: no secret of any shape, no forged line, times in UTC."""

import json
import logging
import os
import secrets
import subprocess
import sys
import time
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from accounts.domain import recovery, sealing, tokens, totp
from finbyte_site.logging import SafeLines, SkipHealthProbes, logging_settings
from finbyte_site.redaction import HIDDEN, redacted

LINES = SafeLines(known=["the-secret-key-of-this-copy", "kept+in/runtime.env=="])


def written(message, *args, error=None, **fields):
    record = logging.LogRecord("web", logging.INFO, __file__, 1, message, args, error)
    for name, value in fields.items():
        setattr(record, name, value)
    return LINES.format(record)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("GET /?api_key=k&access_token=abc123&x=1", f"GET /?api_key=k&access_token={HIDDEN}&x=1"),
        ("/ws?enctoken=abc", f"/ws?enctoken={HIDDEN}"),
        ("password=correct horse battery&x=1", f"password={HIDDEN}&x=1"),
        ("{'password': 'it''s', 'user': 7}", "'user': 7}"),
        ("<QueryDict: {'password': ['a b c'], 'email': ['a@b.c']}>", "'email': ['a@b.c']}>"),
        ('{"otp": "123456", "n": 1}', '"n": 1}'),
        ("code 123456 refused", f"code {HIDDEN} refused"),
        ("totp code: 123 456", f"totp code: {HIDDEN}"),
        ("Authorization: token key:abcdefgh", f"Authorization: {HIDDEN}"),
        ("(b'authorization', b'token key:abcdefgh')", HIDDEN),
        ("(b'cookie', b'finbyte_session=abc')", HIDDEN),
        ("Cookie: a=b; finbyte_session=c", f"Cookie: {HIDDEN}"),
        ("sent Bearer abc.def-123", f"sent Bearer {HIDDEN}"),
        ("sent token key:abcdefgh", f"sent token {HIDDEN}"),
        ("redis://:pass@127.0.0.1:6379/0 lost", f"redis://:{HIDDEN}@127.0.0.1:6379/0 lost"),
        ("postgresql://me:p@ss/word@db/finbyte", f"postgresql://me:{HIDDEN}@db/finbyte"),
        ("key the-secret-key-of-this-copy", f"key {HIDDEN}"),
        ("key kept+in/runtime.env==", f"key {HIDDEN}"),
        ("try 01 ABCD-EFGH-JKLM-NPQR", f"try {HIDDEN}"),
        ("try abcd-efgh-jklm-npqr", f"try {HIDDEN}"),
        ("checksum=0a1b2c", f"checksum={HIDDEN}"),
        ("X-MBX-APIKEY: vmPUZE6mv9SD5VNHk4", f"X-MBX-APIKEY: {HIDDEN}"),
    ],
)
def test_a_secret_is_hidden_and_the_rest_is_kept(said, kept):
    found = written("%s", said)
    assert kept in found
    for secret in ("abc123", "horse", "it''s", "a b c", "123456", "123 456", "abcdefgh", "p@ss"):
        assert secret not in found


@pytest.mark.parametrize(
    "said",
    [
        "nothing to hide",
        "ticks missed instrument_token=408065 found=3",
        "order 250302000123456 of FB0001 refused: 262.05 is not a multiple of 0.1",
        "GET /console/orders/12?page=2 took 15 ms",
        "session ended user=3 other=12",
        "token of device 12 replaced, status code 404",
        "finbyte_site.tests.test_request_limits.test_a_client_that_dribbles_is_dropped",
        'File "/srv/finbyte/.venv/lib/python3.11/site-packages/django/core/handlers/base.py", line 1',
        "django.core.exceptions.ImproperlyConfigured: RequestLimitsMiddlewareIsMissing",
        "app kitefront0abc12x session 0f8fad5b-d9cb-469f-a165-70867728950e",
        "http://127.0.0.1:8000/console/ and a@example.com",
    ],
)
def test_what_is_no_secret_stays_readable(said):
    assert written(said).endswith(f" {said}")
    assert HIDDEN not in redacted(said)


def _session_cookie():
    return "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(32))


MAKERS = {
    "token": tokens.new_token,
    "digest": lambda: tokens.token_digest(tokens.new_token()),
    "checksum": lambda: tokens.checksum("k", tokens.new_token(), tokens.new_token()),
    "sealed": lambda: sealing.seal("x", keys=["a key"], context="c"),
    "recovery code": lambda: str(recovery.new_codes()[0]),
    "seed": totp.new_seed,
    "seed in fours": lambda: totp.in_fours(totp.new_seed()),
    "session cookie": _session_cookie,
    "venue key": lambda: secrets.token_urlsafe(48),
    "password hash": lambda: make_password(secrets.token_urlsafe(6)),
    "setup address": lambda: totp.setup_address(totp.new_seed(), email="a@example.com"),
    "redis address": lambda: f"redis://:{secrets.token_hex(4)}@127.0.0.1:6379/0",
}
NAMES = ("password", "api_secret", "otp", "refresh_token", "sessionid", "seed", "Authorization")
PASSWORDS = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="&"), min_size=8
)


def core_of(kind, secret):
    """Return the part of a secret that must not be read anywhere."""
    if kind == "redis address":
        return secret.split(":")[2].split("@")[0]
    return secret.split("secret=")[-1].split("&")[0] if kind == "setup address" else secret


def raised(error, cause=None):
    """Return what logging is given of an error."""
    try:
        raise error from cause
    except type(error):
        return sys.exc_info()


def places_of(secret):
    """Write the secret in a message, an argument, a structure, bytes, an exception, its cause."""
    yield written(f"it is {secret} here")
    yield written("it is %s here", secret)
    yield written("got %r from %s", {"value": secret, "n": [secret]}, ("a", secret))
    yield written("%(one)s", {"one": secret})
    yield written("raw %r", secret.encode())
    yield written("json %s", json.dumps({"value": secret}))
    yield written("at /console/account/reset/%s/x?next=%s", secret, quote(secret, safe=""))
    yield written("failed", error=raised(ValueError(f"cannot use {secret}"), KeyError(secret)))
    yield written("stack", stack_info=f"at {secret}")
    yield written("extra", token=secret)


@settings_of(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(MAKERS)))
def test_no_secret_of_ours_is_written_in_whatever_place(kind):
    secret = MAKERS[kind]()
    core = core_of(kind, secret)
    for line in places_of(secret):
        assert core not in line
        assert core[2:-2] not in line


@settings_of(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(NAMES), PASSWORDS)
def test_what_a_secret_name_stands_beside_is_not_written(name, password):
    told = (
        written("%s=%s&after=1", name, quote(password, safe="")),
        written("%r", {name: password, "after": 1}),
        written("%s", json.dumps({name: password, "after": 1})),
        written("%r", [(name.encode(), password.encode())]),
        written("%s", [(name, [password])]),
    )
    for line, shape in zip(told, (quote(password, safe=""), *[password] * 4), strict=True):
        message = line.split("] ", 1)[1].replace(name, "").replace("after", "")
        assert shape not in message, line
    assert all("after" in line for line in told[:3])


@given(st.text())
def test_an_event_is_one_line_whatever_it_says(text):
    line = written("said %s", text)
    assert len(line.splitlines()) == 1
    assert line.isprintable() or not any(ord(sign) < 32 or ord(sign) == 127 for sign in line)


def test_lines_of_a_traceback_cannot_pass_for_events():
    forged = "no\n2026-03-02T04:30:00.000Z INFO accounts [1] log_in user=1\rx\x1b[2J"
    lines = written("failed", error=raised(ValueError(forged))).split("\n")
    assert all(line.startswith("    | ") for line in lines[1:])
    assert any("INFO accounts" in line for line in lines)
    assert not any(sign in "".join(lines) for sign in "\r\x1b")


def test_what_another_handler_kept_of_an_exception_is_not_trusted():
    error = raised(ValueError("x"))
    record = logging.LogRecord("w", logging.ERROR, __file__, 1, "m", (), error)
    logging.Formatter().format(record)
    kept = record.exc_text
    assert "    | ValueError: x" in LINES.format(record)
    assert record.exc_text == kept


def test_times_are_in_utc():
    record = logging.LogRecord("web", logging.INFO, __file__, 1, "said", (), None)
    record.created, record.msecs = 1_772_425_800.25, 250
    assert LINES.format(record).startswith("2026-03-02T04:30:00.250Z INFO web [")


def test_a_failing_probe_is_not_logged_each_time():
    probe, page = (
        logging.LogRecord("django.request", logging.ERROR, __file__, 1, "%s: %s", said, None)
        for said in (("Service Unavailable", "/healthz"), ("Not Found", "/nothing"))
    )
    assert not SkipHealthProbes().filter(probe)
    assert SkipHealthProbes().filter(page)


HEAVY = {
    "a run": "x" * 100_000,
    "words": "a-" * 50_000,
    "humps": "Aa" * 50_000 + "-" + "aB1" * 20,
    "names": "password=" * 10_000,
    "quotes": "'" * 100_000,
    "groups": "ABCD-" * 20_000 + "x",
    "sealed": "1.00000000." * 9_000,
    "addresses": "://a:" * 20_000,
    "open quotes": "{'token': '" * 9_000,
    "lists": "token=['a'," + "'b'," * 20_000,
    "spaces": "token" + " " * 100_000,
}


@pytest.mark.parametrize("kind", HEAVY)
def test_a_long_event_is_cleaned_quickly(kind):
    started = time.process_time()
    redacted(HEAVY[kind])
    assert time.process_time() - started < 0.5


def test_errors_are_mailed_to_nobody():
    assert settings.ADMINS == settings.MANAGERS == []
    made = logging_settings(level="INFO")
    assert list(made["handlers"]) == ["stderr"]


ONE_PROCESS = """
import json, logging
import finbyte_site.web
from celery.utils.log import get_task_logger
from finbyte_site.celery import app

app.log.setup("WARNING", redirect_stdouts=False)
get_task_logger("a_task")
found = {
    str(name): type(handler.formatter).__name__
    for name in [None, *logging.root.manager.loggerDict]
    for handler in logging.getLogger(name).handlers
    if not isinstance(handler, logging.NullHandler)
}
# Writes only when its own debugging is switched on.
found.pop("pyasn1", None)
print(json.dumps(found))
"""


def test_web_and_worker_write_through_the_one_formatter():
    """Celery by itself gives its tasks' logger a handler that hides nothing."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_PROCESS],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "finbyte_site.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"None": "SafeLines"}
