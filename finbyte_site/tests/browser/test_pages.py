"""Every page in a real browser at 1440 and 390 pixels: no error, no violation, no overflow."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    WebSocketRoute,
    expect,
    sync_playwright,
)

from accounts.models import User
from bots.models import Bot
from bots.services.bots import keep_suggestion
from conftest import PASSWORD, RealDatabase
from finbyte_site.tests.console import Stage, put_price
from market.domain.enums import Side
from market.streams import put_ticks
from portfolio.tests.factories import make_instrument, trade_now

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ASSETS = Path(settings.BASE_DIR) / "static" / "dist" / "app.js"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 30
# What makes a page scroll sideways: the elements that end right of it, inside no scrolling box.
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("main *")]
    .filter((each) => each.getBoundingClientRect().right > width && !each.closest(".rows-scroll"))
    .map((each) => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 40)}`)
    .slice(0, 5).concat("scrolls");
}"""
# Boxes narrower than their words: what stands beside them is written over.
SPILLS = """() => [...document.querySelectorAll("main *")]
  .filter((each) => each.clientWidth > 0 && each.scrollWidth > each.clientWidth + 1
    && getComputedStyle(each).overflowX === "visible" && !each.closest("svg, #chart, .sr-only"))
  .map((each) => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 40)}`)
  .slice(0, 5)"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
    pytest.mark.skipif(not ASSETS.is_file(), reason="the assets are not built (make assets)"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright runs a loop of its own in this thread; Django would take it for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def address(real_db: RealDatabase) -> Iterator[str]:
    """Serve the site from the test's own database on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DATABASE_URL": real_db.url,
        "REDIS_URL": settings.REDIS_URL,
        "PUBLIC_URL": url,
        "SECRET_KEY": settings.SECRET_KEY,
    }
    web = subprocess.Popen(
        [sys.executable, "-m", "finbyte_site.web", "127.0.0.1", str(port)],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(url)
        yield url
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(timeout=20)


def _wait_for(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urlopen(f"{url}/console/account/log-in", timeout=2) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the web server did not answer within {START_SECONDS} s", pytrace=False)


class Watch:
    """Collects what a page complains about."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        page.on("console", self._told)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")


def log_in(page: Page, address: str, user: User) -> None:
    page.goto(f"{address}/console/account/log-in")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{address}/console/")


def furnish(user: User, client: redis.Redis) -> tuple[Stage, Bot]:
    """Give the user something of everything, long names among it."""
    stage = Stage(user, client, funds=100_000_000)
    trade_now(stage.book, stage.instrument, quantity=12_345, price=260, now=stage.now)
    trade_now(stage.book, stage.instrument, Side.SELL, quantity=45, price=264, now=stage.now)
    stage.orders(60)
    bot = stage.running_bot(name="A grid with a name of forty characters!!")
    keep_suggestion(
        bot, {"profile": "medium", "total_yield_pct": 11.8963, "max_drawdown_pct": 1.9464}
    )
    # Old enough for the longest words that tell when something was.
    bot.events.filter(kind="created").update(at=stage.now - timedelta(days=2))
    bot.events.filter(kind="start").update(at=stage.now - timedelta(minutes=59))
    put_price(client, stage.instrument, 262)
    put_price(client, make_instrument("BINANCE:BTCUSDT"), "65000.12")
    return stage, bot


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_every_page(
    browser: Browser,
    address: str,
    alice: User,
    redis_client: redis.Redis,
    width: int,
    height: int,
    scheme: str,
) -> None:
    _, bot = furnish(alice, redis_client)
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    watch = Watch(page)
    log_in(page, address, alice)
    order = alice.orders.first()
    assert order is not None
    for path in (
        "/console/",
        "/console/markets/",
        "/console/markets/NSE/ONGC/",
        "/console/orders/",
        "/console/orders/?tab=history",
        f"/console/orders/{order.pk}/",
        "/console/positions/",
        "/console/positions/trades/",
        "/console/funds/",
        "/console/bots/",
        "/console/bots/new/",
        "/console/bots/new/spot_grid/?instrument=NSE:ONGC",
        f"/console/bots/{bot.pk}/",
        "/console/account/profile",
    ):
        page.goto(f"{address}{path}")
        expect(page.locator("main h1").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert not page.evaluate(TOO_WIDE), f"{path} is too wide: {page.evaluate(TOO_WIDE)}"
        assert not page.evaluate(SPILLS), f"{path} spills: {page.evaluate(SPILLS)}"
        assert not watch.complaints, f"{path}: {watch.complaints}"
    context.close()


def test_prices_move_and_orders_fill_without_reload(
    browser: Browser, address: str, alice: User, redis_client: redis.Redis
) -> None:
    stage, _ = furnish(alice, redis_client)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    watch = Watch(page)
    log_in(page, address, alice)
    page.goto(f"{address}/console/markets/NSE/ONGC/")
    expect(page.locator("#feed-light")).to_have_attribute("data-state", "ok")
    for offset, price in enumerate(("262.35", "263.10"), start=2):
        _move(redis_client, stage, price, sequence=offset)
        expect(page.locator(".figure[data-field='p']")).to_have_text(price)
    page.get_by_label("Quantity").fill("10")
    page.locator("#ticket-price").fill("250")
    expect(page.locator("#ticket-cost")).to_contain_text("Rs. 2,500.00")
    page.locator("#ticket-price").fill("250.03")
    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page.locator("#ticket-price-error")).to_contain_text("0.05")
    page.locator("#ticket-price").fill("250.05")
    page.get_by_role("button", name="Buy", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("Accepted, not filled yet")
    expect(page.locator("#order-body tr").first).to_contain_text("250.05")
    # The refused order is a 422, which the browser itself notes.
    assert [each for each in watch.complaints if "422" not in each] == []
    page.close()


def _move(client: redis.Redis, stage: Stage, price: str, *, sequence: int) -> None:
    now = timezone.now()
    quote = replace(
        stage.quote,
        sequence=sequence,
        last_price=Decimal(price),
        received_at=now,
        exchange_time=now,
    )
    put_ticks(client, [quote])


def test_keys_lead_through_and_a_lost_connection_is_told_and_heals(
    browser: Browser, address: str, alice: User, redis_client: redis.Redis
) -> None:
    furnish(alice, redis_client)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sockets: list[WebSocketRoute] = []

    def relay(route: WebSocketRoute) -> None:
        route.connect_to_server()
        sockets.append(route)

    log_in(page, address, alice)
    for key, path in (("b", "bots/"), ("o", "orders/"), ("m", "markets/"), ("h", "")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{address}/console/{path}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("ong")
    expect(page.locator("#search-results")).to_contain_text("OIL AND NATURAL GAS")
    page.route_web_socket(re.compile("/ws/console"), relay)
    page.goto(f"{address}/console/markets/")
    expect(page.locator("#feed-light")).to_have_attribute("data-state", "ok")
    sockets[0].close()
    expect(page.locator("#offline")).to_be_visible()
    expect(page.locator("#offline")).to_be_hidden()
    assert len(sockets) == 2
    context.close()
