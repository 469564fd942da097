"""The newcomer's first minutes in a real browser: sign up, start a grid, see it fill, stop it."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Response,
    ViewportSize,
    expect,
    sync_playwright,
)

from finbyte_site.tests.processes.running_copy import RunningCopy, wait_for
from market.domain.instruments import InstrumentSpec
from market.domain.simulated import DEFAULT_SEED, middle_price, simulated_path
from market.services.instruments import seed_set

pytestmark = pytest.mark.xdist_group("a running copy")

CHROMIUM = Path("/usr/bin/chromium")
WIDE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
PASSWORD = "a kettle of quiet herons"
SYMBOLS = ("BINANCE:SOLUSDT", "BINANCE:BTCUSDT", "BINANCE:ETHUSDT")
START_USDT = Decimal(10_000)
INVESTMENT = Decimal(2_000)
# Each side costs 0.05 %: a step of 0.15 % leaves a third of itself.
STEP = Decimal("0.0015")
GRIDS = 8
# Which of its levels the price stands above when the bot starts.
LEVEL = 4
# How long filling in the form may take, and when at the latest the fill is wanted.
TYPED_AFTER = timedelta(seconds=11)
FILLED_BEFORE = timedelta(seconds=28)
HALF_SECOND = timedelta(seconds=0.5)
# The price stays this far above the level, and goes this far below it, so that the touch does.
THROUGH = Decimal("0.00015")
RESTED = timedelta(seconds=1)
ROUNDED = Decimal("0.02")

_RESTED_FILLS = """
SELECT t.id, t.exchange_time - o.sent_at
  FROM portfolio_trade t
  JOIN portfolio_order o ON o.id = t.order_id
  JOIN bots_bot b ON b.book_id = t.book_id
 WHERE b.id = %s AND o.order_type = 'LIMIT' AND o.time_in_force <> 'IOC'
   AND t.exchange_time - o.sent_at >= %s
 ORDER BY t.id LIMIT 1
"""
_MONEY = """
SELECT k.kind, a.asset, sum(a.balance)
  FROM portfolio_ledgeraccount a
  JOIN portfolio_book k ON k.id = a.book_id
  JOIN portfolio_venueaccount v ON v.id = k.venue_account_id
 WHERE v.user_id = %s AND v.settlement_asset = 'USDT'
 GROUP BY 1, 2 HAVING sum(a.balance) <> 0
"""
_TRADED = """
SELECT coalesce(sum(CASE side WHEN 'SELL' THEN quantity * price ELSE -quantity * price END - fee), 0)
  FROM portfolio_trade t JOIN bots_bot b ON b.book_id = t.book_id WHERE b.id = %s
"""

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Plan:
    """A grid with one level that the simulated price will fall through while we watch."""

    symbol: str
    lower: Decimal
    upper: Decimal


@dataclass
class Watched:
    """A page and everything that went wrong on it."""

    page: Page
    faults: list[str]

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains about; a refused load, a script or a policy."""
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text} ({self.page.url})")

    def answered(self, response: Response) -> None:
        """Keep answers that are errors."""
        if response.status >= 400:
            self.faults.append(f"{response.status} {response.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give headless Chromium; without one the test is skipped unless it is required."""
    if not CHROMIUM.exists():
        if os.environ.get("FINBYTE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"FINBYTE_REQUIRE_BROWSER=1, and there is no browser at {CHROMIUM}")
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


def test_a_newcomer_starts_a_grid_sees_it_fill_and_stops_it(
    copy: RunningCopy, browser: Browser
) -> None:
    email = f"ann{time.monotonic_ns()}@example.com"
    with _page(browser, copy.url) as watched, copy.connect() as database:
        page = watched.page
        _sign_up(page, email)
        _has_no_overflow(page)
        user = _one(database, "SELECT id FROM accounts_user WHERE email = %s", email)
        bot = _start_grid(page)
        page.evaluate("window.stillTheSamePage = true")
        before = page.inner_text("#bot-live")
        expect(page.locator("#bot-live")).to_contain_text("Running", timeout=20_000)
        fill, rested = _rested_fill(database, bot)
        assert rested >= RESTED
        expect(page.locator(f"#fill-{fill}")).to_be_visible(timeout=5_000)
        _figures_move(page)
        assert page.inner_text("#bot-live") != before
        _has_no_overflow(page)
        _stop(page)
        assert page.evaluate("window.stillTheSamePage === true"), "the page was loaded again"
        _money_is_back(database, user=user, bot=bot)
    assert watched.faults == []


def test_an_order_by_hand_is_changed_and_cancelled_in_its_row(
    copy: RunningCopy, browser: Browser
) -> None:
    with _page(browser, copy.url) as watched:
        page = watched.page
        _sign_up(page, f"bob{time.monotonic_ns()}@example.com")
        page.goto("/console/orders/")
        page.evaluate("window.stillTheSamePage = true")
        ticket = page.context.new_page()
        ticket.goto("/console/markets/BINANCE/ETHUSDT/")
        market = Decimal(ticket.locator("#ticket [name=price]").input_value())
        low = (market * Decimal("0.95")).quantize(Decimal("0.01"))
        ticket.locator("#ticket [name=quantity]").fill("0.5")
        ticket.locator("#ticket [name=price]").fill(str(low))
        ticket.locator("#ticket button[type=submit]").click()
        row = page.locator("#order-body tr[data-order]")
        expect(row).to_contain_text(f"{low:,}")
        expect(row).to_contain_text("Open")
        row.get_by_role("button", name="Change").click()
        row.locator("[name=price]").fill(str(low - 1))
        row.get_by_role("button", name="Save").click()
        expect(row).to_contain_text(f"{low - 1:,}")
        row.get_by_role("button", name="Cancel").click()
        expect(row).to_contain_text("Cancelled")
        expect(row.get_by_role("button", name="Cancel")).to_have_count(0)
        assert page.evaluate("window.stillTheSamePage === true"), "the page was loaded again"
    assert watched.faults == []


@contextmanager
def _page(browser: Browser, url: str) -> Iterator[Watched]:
    context = browser.new_context(base_url=url, viewport=WIDE, locale="en-IN")
    context.set_default_timeout(15_000)
    page = context.new_page()
    watched = Watched(page, [])
    page.on("console", watched.note)
    page.on("pageerror", lambda error: watched.faults.append(f"script: {error}"))
    page.on("response", watched.answered)
    page.add_init_script(
        "addEventListener('securitypolicyviolation',"
        " (event) => console.error('CSP', event.violatedDirective, event.blockedURI))"
    )
    try:
        yield watched
    finally:
        context.close()


def _sign_up(page: Page, email: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    expect(page.locator("#home-panels")).to_contain_text("10,000.00 USDT")
    expect(page.locator("#feed-light")).to_have_attribute("data-state", "ok")


def _start_grid(page: Page) -> int:
    page.get_by_role("link", name="Start your first bot").click()
    page.get_by_role("link", name="Set it up").click()
    expect(page.locator("#chart canvas").first).to_be_visible()
    plan = _wait_for_plan()
    with page.expect_navigation():
        page.get_by_label("Instrument", exact=True).select_option(plan.symbol)
    expect(page.locator("#chart canvas").first).to_be_visible()
    expect(page.get_by_label("Instrument", exact=True)).to_have_value(plan.symbol)
    # What is suggested could be started as it stands.
    expect(page.locator("#preview")).to_contain_text("ready to start")
    values = {"lower": plan.lower, "upper": plan.upper, "grids": GRIDS, "investment": INVESTMENT}
    for name, value in values.items():
        page.locator(f"#bot-form [name={name}]").fill(str(value))
    page.get_by_role("button", name="Review and start").click()
    page.get_by_role("button", name="Start on paper").click()
    page.wait_for_url("**/console/bots/*/", wait_until="domcontentloaded")
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def _wait_for_plan() -> Plan:
    found: list[Plan] = []

    def is_found() -> bool:
        plan = _plan(timezone.now())
        if plan:
            found.append(plan)
        return bool(found)

    assert wait_for(is_found, seconds=90, pause=1), "simulated prices only rise"
    return found[0]


def _plan(now: datetime) -> Plan | None:
    """Return a grid with a level that the price will fall through; None when none will."""
    plans = [plan for symbol in SYMBOLS if (plan := _plan_of(symbol, now))]
    return plans[0] if plans else None


def _plan_of(symbol: str, now: datetime) -> Plan | None:
    # Simulated prices are a function of time: the test need not hope for the market to move.
    spec = next(row.spec for row in seed_set() if row.symbol == symbol)
    lowest_while_typed = _lowest(spec, now, now + TYPED_AFTER)
    lowest_later = _lowest(spec, now + TYPED_AFTER + RESTED, now + FILLED_BEFORE)
    level = spec.ceil_tick(lowest_later * (1 + THROUGH))
    if lowest_while_typed < level * (1 + THROUGH):
        return None
    step = spec.ceil_tick(level * STEP)
    lower = level - LEVEL * step
    return Plan(symbol, lower, lower + GRIDS * step)


def _lowest(spec: InstrumentSpec, start: datetime, end: datetime) -> Decimal:
    path = simulated_path(spec)
    moments = (start + HALF_SECOND * n for n in range((end - start) // HALF_SECOND))
    return min(middle_price(path, spec, seed=DEFAULT_SEED, moment=moment) for moment in moments)


def _rested_fill(database: Connection, bot: int) -> tuple[int, timedelta]:
    """Wait for the first fill of an order that has rested; return it and how long it had."""
    found: list[tuple[Any, ...]] = []

    def has_filled() -> bool:
        found.extend(database.execute(_RESTED_FILLS, [bot, RESTED]).fetchall())
        return bool(found)

    assert wait_for(has_filled, seconds=90), _story(database, bot)
    return found[0][0], found[0][1]


def _story(database: Connection, bot: int) -> str:
    """Return what the bot has done, for a failure's message."""
    orders = database.execute(
        "SELECT o.status, o.side, o.order_type, o.price, o.sent_at FROM portfolio_order o"
        " JOIN bots_bot b ON b.book_id = o.book_id WHERE b.id = %s ORDER BY o.id",
        [bot],
    ).fetchall()
    return "no order that rested has filled: " + "\n".join(map(str, orders))


def _has_no_overflow(page: Page) -> None:
    """Look at the page as a desktop and a phone show it; leave it as a desktop does."""
    for size in (PHONE, WIDE):
        page.set_viewport_size(size)
        page.wait_for_timeout(150)
        wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{page.url} is {wide} px too wide at {size['width']} px"


def _figure(page: Page, label: str) -> str:
    term = page.locator("#bot-live dt", has_text=re.compile(rf"^{label}$"))
    return term.locator("xpath=following-sibling::dd[1]").inner_text()


def _figures_move(page: Page) -> None:
    """See the total change by itself, and that it is grid profit and unmatched together."""
    before = _figure(page, "Total")
    assert wait_for(lambda: _figure(page, "Total") != before, seconds=15), "the total stands still"
    total, grid, unmatched = (
        Decimal(re.sub(r"[^-.0-9]", "", text))
        for text in page.evaluate(
            "['Total', 'Grid profit', 'Unmatched'].map((label) => [...document.querySelectorAll("
            "'#bot-live dt')].find((dt) => dt.textContent === label).nextElementSibling.textContent)"
        )
    )
    assert abs(total - grid - unmatched) <= ROUNDED


def _stop(page: Page) -> None:
    page.locator("#bot-live").get_by_role("button", name="Stop").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("radio", name="Sell it at the market").check()
    sheet.get_by_role("button", name="Stop").click()
    expect(page.locator("#bot-live")).to_contain_text("Stopped", timeout=20_000)


def _money_is_back(database: Connection, *, user: int, bot: int) -> None:
    """Everything is in Manual again: what there was, and what the bot's trades made of it."""
    result = _one(database, _TRADED, bot)
    money = database.execute(_MONEY, [user]).fetchall()
    assert money == [("MANUAL", "USDT", START_USDT + result)]
    assert result != 0


def _one(database: Connection, query: str, *arguments: object) -> Any:
    row = database.execute(query, arguments).fetchone()
    assert row is not None, query
    return row[0]
