"""Headers of every kind of answer: policies, caching, cookies, nothing for other origins."""

import json
import os
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.middleware.gzip import GZipMiddleware
from django.test import AsyncClient, Client

from conftest import PASSWORD
from finbyte_site.headers import BARE_POLICY, COMMON, HSTS, KEPT_NOWHERE, POLICY
from finbyte_site.tests import canaries
from finbyte_site.tests.console import client_of

PAGES = {
    "a page": ("/console/account/log-in", 200),
    "a redirect": ("/", 302),
    "the log-in's redirect": ("/console/", 302),
    "nothing": ("/nothing", 404),
    "nothing in the console": ("/console/nothing/", 404),
    "a method not allowed": ("/console/theme/", 405),
    "a bad request": ("/console/%00", 400),
    "an envelope": ("/orders", 403),
    "no such order": ("/orders/1/2/3", 403),
    "health": ("/healthz", 503),
    "a static file": ("/static/img/favicon.svg", 200),
    "no static file": ("/static/nothing", 404),
    "the admin": ("/admin/", 302),
}
DIRECTIVES = {
    "default-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "img-src": "'self' data:",
    "object-src": "'none'",
}
INLINE = re.compile(
    r"""(?isx) <script(?![^>]*\ssrc=)(?![^>]*type="application/json") | <style\b
    | \sstyle\s*= | \son[a-z]+\s*=\s*["'] | javascript: | \shx-on\b | \sx-html\b"""
)


def policy_of(answer):
    parts = (part.strip().partition(" ") for part in answer.headers[POLICY].split(";"))
    return {name: value for name, _, value in parts}


@pytest.fixture
def https(settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    return settings


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("method", ["get", "options", "head"])
def test_every_kind_of_answer_carries_every_header(db, https, kind, method):
    address, _status = PAGES[kind]
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = getattr(Client(), method)(address, secure=True, headers=origin)
    assert {name: answer.headers.get(name) for name in COMMON} == COMMON
    assert answer.headers[HSTS].startswith("max-age=31536000; includeSubDomains")
    assert POLICY in answer.headers
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    assert "Server" not in answer.headers
    answer.close()


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_but_static_files_is_kept(db, kind):
    address, status = PAGES[kind]
    answer = Client().get(address)
    assert answer.status_code in {status, 404 if "static" in kind else status}
    answer.close()
    kept = answer.headers["Cache-Control"]
    if kind == "a static file":
        assert "max-age" in kept
        assert "no-store" not in kept
    else:
        assert "no-store" in kept
        assert "private" in kept


async def test_answers_of_the_asgi_side_carry_them_too():
    answer = await AsyncClient().get("/")
    assert {name: answer.headers.get(name) for name in COMMON} == COMMON
    assert answer.headers["Cache-Control"] == KEPT_NOWHERE


def test_a_broken_view_answers_with_every_header(alice, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr("finbyte_site.views.search_instruments", broken)
    client = client_of(alice)
    client.raise_request_exception = False
    answer = client.get("/console/search/?q=x")
    assert answer.status_code == 500
    assert canaries.faults_of(answer) == []


def test_the_console_allows_nothing_inline_and_nothing_from_elsewhere(alice):
    policy = policy_of(client_of(alice).get("/console/account/profile"))
    assert {name: policy.get(name) for name in DIRECTIVES} == DIRECTIVES
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{settings.PORT}"
    assert not {"script-src", "style-src", "script-src-elem"} & set(policy)
    assert "unsafe" not in str(policy)


def test_the_admin_allows_what_its_scripts_need_and_nothing_from_elsewhere(staff):
    policy = policy_of(client_of(staff).get("/admin/login/"))
    assert {name: policy.get(name) for name in DIRECTIVES} == DIRECTIVES
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    sources = {source for value in policy.values() for source in value.split()}
    assert not {source for source in sources if source.startswith(("http", "*"))}
    assert policy["style-src-attr"] == "'unsafe-inline'"
    assert str(policy).count("unsafe-") == 2


def test_what_is_no_page_loads_nothing(db):
    assert Client().get("/orders").headers[POLICY] == BARE_POLICY


def test_no_template_of_ours_has_anything_inline():
    folder = settings.BASE_DIR / "templates"
    found = {
        str(path.relative_to(folder)): INLINE.findall(path.read_text())
        for path in folder.rglob("*.html")
        if INLINE.search(path.read_text())
    }
    assert found == {}


def test_the_hook_names_each_fault(db):
    answer = Client().get("/console/account/log-in")
    assert canaries.faults_of(answer) == []
    del answer.headers["X-Content-Type-Options"], answer.headers[POLICY]
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Server"] = "x"
    answer.headers["X-Note"] = "FbCanary"
    answer.content += b"try FBCA-NARY-2345"
    faults = canaries.faults_of(answer)
    assert len(faults) == 6
    assert {"a secret in X-Note", "a secret in the body"} <= set(faults)
    with pytest.raises(AssertionError, match="GET /console/account/log-in answered 200: X-Content"):
        canaries.looked_at(answer)


def test_answers_are_never_packed():
    """Nothing beside a secret may be packed (BREACH); static files are packed beforehand."""
    assert not [name for name in settings.MIDDLEWARE if "gzip" in name.lower()]
    assert GZipMiddleware.__module__ not in str(settings.MIDDLEWARE)


def test_cookies_are_closed_to_scripts_and_other_sites(alice):
    client = Client()
    answers = [
        client.get("/console/account/log-in"),
        client.post(
            "/console/account/log-in", {"username": alice.email, "password": PASSWORD, "next": ""}
        ),
        client.post("/console/theme/", {"theme": "dark"}),
    ]
    cookies = {name: each for answer in answers for name, each in answer.cookies.items()}
    assert {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME} <= set(cookies)
    for name, cookie in cookies.items():
        assert cookie["samesite"] == "Lax", name
        assert cookie["path"] == "/", name
        assert not cookie["domain"], name
        assert cookie["httponly"] or name == settings.CSRF_COOKIE_NAME, name


HTTPS_SETTINGS = """
import json
from django.conf import settings
names = "SESSION_COOKIE_NAME DEVICE_COOKIE_NAME CSRF_COOKIE_NAME SESSION_COOKIE_SECURE"
names += " CSRF_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SAMESITE CSRF_COOKIE_SAMESITE"
names += " SECURE_HSTS_SECONDS SECURE_HSTS_INCLUDE_SUBDOMAINS SECURE_SSL_REDIRECT DEBUG DEMO"
found = {name: getattr(settings, name) for name in names.split()}
found["upgrade"] = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["upgrade-insecure-requests"]
found["connect"] = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["connect-src"]
print(json.dumps(found))
"""


def test_on_https_cookies_are_bound_to_the_host():
    done = subprocess.run(
        [sys.executable, "-c", HTTPS_SETTINGS],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "finbyte_site.settings",
            "PUBLIC_URL": "https://trade.example.com",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "SESSION_COOKIE_NAME": "__Host-finbyte_session",
        "DEVICE_COOKIE_NAME": "__Host-finbyte_device",
        "CSRF_COOKIE_NAME": "__Host-finbyte_csrf",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_SAMESITE": "Lax",
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SECURE_SSL_REDIRECT": True,
        "DEBUG": False,
        "DEMO": False,
        "upgrade": True,
        "connect": ["'self'", "wss://trade.example.com"],
    }
