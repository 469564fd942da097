"""Every page in a real browser at 1440 and 390 pixels: no error, no violation, no overflow."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

import pytest
import redis
from django.utils import timezone
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from accounts.models import ApiApp, User
from accounts.tests.factors import enrol
from bots.models import Bot
from bots.services.bots import keep_suggestion
from finbyte_site.tests.browser.window import MARKS, SPILLS, TOO_WIDE, Watch, enter, log_in
from finbyte_site.tests.console import Stage, put_price
from finbyte_site.tests.tenants.world import Things, things_of
from market.domain.enums import Side
from market.streams import put_ticks
from portfolio.tests.factories import make_instrument, trade_now

pytestmark = MARKS

PUBLIC_PAGES = (
    "/console/account/log-in",
    "/console/account/sign-up",
    "/console/account/password-reset",
)
MARKET_PAGES = (
    "/console/",
    "/console/markets/",
    "/console/markets/NSE/ONGC/",
    "/console/orders/",
    "/console/orders/?tab=history",
    "/console/positions/",
    "/console/positions/trades/",
    "/console/funds/",
    "/console/bots/",
    "/console/bots/new/",
    "/console/bots/new/spot_grid/?instrument=NSE:ONGC",
)
# They look different to who has nothing and to who has everything.
SETTINGS_PAGES = (
    "/console/account/profile",
    "/console/account/security",
    "/console/account/recovery-codes",
    "/console/account/passkeys",
    "/console/account/sessions",
    "/console/account/devices",
    "/console/account/addresses",
    "/console/account/confirm",
    "/console/account/api-apps",
    "/console/account/viewers",
    "/console/venue-accounts/",
)
SETTINGS_FORMS = (
    "/console/account/password-change",
    "/console/account/authenticator/add",
    "/console/account/addresses/add",
    "/console/account/api-apps/new",
    "/console/venue-accounts/connect/BINANCE_TESTNET/",
    "/console/venue-accounts/connect/KITE/",
)


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
    bob: User,
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
    _look_at(page, watch, address, PUBLIC_PAGES)
    _the_api_can_be_looked_up(page, watch, address)
    log_in(page, address, alice)
    order = alice.orders.first()
    assert order is not None
    paths = [
        *MARKET_PAGES,
        f"/console/orders/{order.pk}/",
        f"/console/bots/{bot.pk}/",
    ]
    for path in paths:
        _look_at(page, watch, address, [path], until="networkidle")
    _look_at(page, watch, address, SETTINGS_PAGES)
    things = things_of(bob, redis_client, friend=alice)
    app = ApiApp.objects.get(pk=things.ids["app"])
    enrol(bob)
    enter(context, address, bob, factor_at=timezone.now())
    _look_at(page, watch, address, [*SETTINGS_PAGES, *SETTINGS_FORMS, *_pages_of(things, app)])
    _only_needed_papers_are_asked_for(page, address)
    page.goto(f"{address}/console/account/viewers")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.get_by_text("You can look, not act.")).to_be_visible()
    _look_at(page, watch, address, ["/console/", "/console/orders/", "/console/venue-accounts/"])
    context.close()


def _the_api_can_be_looked_up(page: Page, watch: Watch, address: str) -> None:
    """Find an address on the API's own page, open it, and see that nothing is too wide."""
    _look_at(page, watch, address, ["/api/docs/"], until="networkidle")
    groups = page.locator(".opblock-tag")
    expect(groups.filter(has_text="Alerts")).to_be_visible()
    page.locator(".operation-filter-input").fill("Orders")
    expect(groups).to_have_count(1)
    groups.click()
    page.get_by_text("Place an order").click()
    expect(page.get_by_text("transaction_type").first).to_be_visible()
    assert not page.evaluate(TOO_WIDE.replace(".rows-scroll", ".opblock-body"))
    assert not watch.complaints


def _only_needed_papers_are_asked_for(page: Page, address: str) -> None:
    page.goto(f"{address}/console/venue-accounts/connect/KITE/")
    number = page.get_by_label("The exchange's registration number of the algorithm")
    expect(number).to_be_hidden()
    page.get_by_label("Under which rules you trade").select_option("IN_REGISTERED_ALGO")
    expect(number).to_be_visible()


def _pages_of(things: Things, app: ApiApp) -> list[str]:
    ids = things.ids
    return [
        f"/console/account/passkeys/{ids['passkey_id']}/remove",
        "/console/account/authenticator/remove",
        f"/console/account/api-apps/{app.pk}",
        f"/console/account/api-apps/{app.pk}/edit",
        f"/console/venue-accounts/{ids['account_id']}/",
        f"/console/venue-accounts/{ids['account_id']}/key/",
        f"/connect/login?v=3&api_key={app.api_key}",
    ]


def _look_at(
    page: Page,
    watch: Watch,
    address: str,
    paths: Iterable[str],
    *,
    until: Literal["load", "networkidle"] = "load",
) -> None:
    """Open the pages one by one; `until`: pages that draw later have to be waited for."""
    for path in paths:
        page.goto(f"{address}{path}")
        expect(page.locator("main h1").first).to_be_visible()
        page.wait_for_load_state(until)
        assert not page.evaluate(TOO_WIDE), f"{path} is too wide: {page.evaluate(TOO_WIDE)}"
        assert not page.evaluate(SPILLS), f"{path} spills: {page.evaluate(SPILLS)}"
        assert not watch.complaints, f"{path}: {watch.complaints}"


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


def test_what_happens_between_a_page_and_its_socket_is_shown(
    browser: Browser, address: str, alice: User, redis_client: redis.Redis
) -> None:
    stage, _ = furnish(alice, redis_client)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    log_in(page, address, alice)

    def late(route: WebSocketRoute) -> None:
        stage.order(price="233.35")
        route.connect_to_server()

    page.route_web_socket(re.compile("/ws/console"), late)
    page.goto(f"{address}/console/orders/")
    expect(page.locator("#order-body tr", has_text="233.35")).to_be_visible()
    page.close()
