"""Issue 3 as a person lives it: join, add a second factor, trust this device, let an app in, stop it."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

from django.db.models import F
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, ViewportSize, expect

from accounts.domain.tokens import checksum
from accounts.models import ApiSession, AuditEvent, AuthenticatorApp, TrustedDevice
from accounts.services.audit import verify_chain
from conftest import PASSWORD
from finbyte_site.tests.browser.window import MARKS, SPILLS, TOO_WIDE, Watch

pytestmark = MARKS

DESK = ViewportSize(width=1440, height=900)
EMAIL = "newcomer@example.com"


@contextmanager
def app_server() -> Iterator[tuple[str, list[str]]]:
    """Serve where the app's log-ins return to; give its address and what was asked of it."""
    asked: list[str] = []

    class Back(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"back at the app")

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Back)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/back", asked
    finally:
        server.shutdown()
        server.server_close()


def code_of(key: str) -> str:
    """Return what the phone shows now for the key on the page."""
    seed = base64.b32decode(key.replace(" ", "") + "=" * (-len(key.replace(" ", "")) % 8))
    return f"{totp(seed):06d}"


def half_a_minute_later() -> None:
    """Let the code of the same moment count as a new one, as if the phone had moved on."""
    AuthenticatorApp.objects.update(last_step=F("last_step") - 2)


def call(address: str, path: str, *, fields: dict[str, str] | None = None, token: str = "") -> Any:
    headers = {"Authorization": f"token {token}"} if token else {}
    data = urlencode(fields).encode() if fields else None
    try:
        with urlopen(Request(address + path, data, headers)) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        return json.load(error)


def fits(page: Page) -> None:
    assert (page.evaluate(TOO_WIDE), page.evaluate(SPILLS)) == ([], [])


def test_from_sign_up_to_a_revoked_app(
    browser: Browser, address: str, redis_client: object
) -> None:
    page = browser.new_context(viewport=DESK).new_page()
    watch = Watch(page)
    sign_up(page, address)
    key = enrol(page, address)
    log_in_and_trust(page, address, key)
    # To the end: the browser asks the app for its picture whenever it likes.
    with app_server() as (back, asked):
        api_key, api_secret = create_app(page, address, back, key)
        request_token = let_in(page, address, api_key, asked)
        proof = {"api_key": api_key, "request_token": request_token}
        proof["checksum"] = checksum(api_key, request_token, api_secret)
        opened = call(address, "/session/token", fields=proof)
        assert opened["status"] == "success"
        token = f"{api_key}:{opened['data']['access_token']}"
        assert call(address, "/user/profile", token=token)["data"]["email"] == EMAIL
        assert call(address, "/session/token", fields=proof)["error_type"] == "TokenException"
        end_session(page, address, token)
    assert watch.complaints == []
    assert verify_chain()[0] == AuditEvent.objects.count() > 8


def sign_up(page: Page, address: str) -> None:
    page.goto(f"{address}/console/account/sign-up")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Sign up|Create")).click()
    page.wait_for_url(f"{address}/console/")
    panel = page.get_by_role("region", name="Connections")
    expect(panel.get_by_text("Not set up")).to_be_visible()
    fits(page)


def enrol(page: Page, address: str) -> str:
    page.goto(f"{address}/console/account/security")
    fits(page)
    page.goto(f"{address}/console/account/authenticator/add")
    key = page.locator("#key").inner_text()
    page.locator("input[name=code]").fill(code_of(key))
    page.get_by_role("button", name="Set up").click()
    page.wait_for_url(lambda url: "authenticator" not in url)
    page.get_by_role("button", name=re.compile("Make")).click()
    expect(page.locator("#codes li")).to_have_count(10)
    fits(page)
    return key


def log_in_and_trust(page: Page, address: str, key: str) -> None:
    for trusted in (False, True):
        page.get_by_label("You and settings").click()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        if not trusted:
            half_a_minute_later()
            page.locator("input[name=code]").fill(code_of(key))
            page.get_by_label("Trust this device and address").check()
            page.get_by_role("button", name="Log in").click()
        # The second time the trusted device spares the second factor.
        page.wait_for_url(f"{address}/console/")
    assert TrustedDevice.objects.filter(revoked_at=None).count() == 1


def create_app(page: Page, address: str, back: str, key: str) -> tuple[str, str]:
    page.goto(f"{address}/console/account/api-apps/new")
    confirm(page, key)
    page.get_by_label("Name").fill("Morning screener")
    page.get_by_label("Redirect address").fill(back)
    page.get_by_role("button", name="Create app").click()
    api_key, secret = [page.locator(f"#{name}").inner_text() for name in ("api-key", "api-secret")]
    page.get_by_role("link", name="I have kept it").click()
    expect(page.get_by_text(api_key).first).to_be_visible()
    assert secret not in page.content()
    fits(page)
    return api_key, secret


def confirm(page: Page, key: str) -> None:
    """Show the second factor again: a trusted device does not spare it where secrets are made."""
    expect(page).to_have_url(re.compile("/confirm"))
    half_a_minute_later()
    page.locator("input[name=code]").fill(code_of(key))
    page.get_by_role("button", name="Confirm").click()


def let_in(page: Page, address: str, api_key: str, asked: list[str]) -> str:
    query = urlencode({"v": "3", "api_key": api_key, "redirect_params": "strategy=one&n=7"})
    page.goto(f"{address}/connect/login?{query}")
    expect(page.get_by_role("heading")).to_contain_text("Morning screener")
    fits(page)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("back at the app")).to_be_visible()
    came = next(each for each in asked if each.startswith("/back"))
    values = {name: found[0] for name, found in parse_qs(urlsplit(came).query).items()}
    request_token = values.pop("request_token")
    assert values == {"action": "login", "status": "success", "strategy": "one", "n": "7"}
    return request_token


def end_session(page: Page, address: str, token: str) -> None:
    page.goto(f"{address}/console/")
    panel = page.get_by_role("region", name="Connections")
    expect(panel.get_by_text("Token until")).to_be_visible()
    fits(page)
    panel.get_by_role("link", name="Morning screener").click()
    sessions = page.get_by_role("table", name="Live sessions")
    expect(sessions.locator("tbody tr")).to_have_count(1)
    fits(page)
    sessions.get_by_role("button", name="End").click()
    expect(page.get_by_role("table", name="Live sessions")).to_have_count(0)
    assert call(address, "/user/profile", token=token)["error_type"] == "TokenException"
    assert ApiSession.objects.filter(ended_at=None).count() == 0
