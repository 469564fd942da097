"""Every console page: who may see it, and that nobody sees a stranger's things."""

import pytest
import redis
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bots.models import Bot, BotCommand
from finbyte_site.tests.console import Stage, client_of
from portfolio.models import Order

pytestmark = pytest.mark.django_db

LOG_IN = "accounts:log-in"

PAGES = [
    "/console/",
    "/console/panels/",
    "/console/search/?q=ongc",
    "/console/markets/",
    "/console/markets/?q=bank",
    "/console/markets/NSE/ONGC/",
    "/console/markets/NSE/ONGC/candles/?interval=60minute",
    "/console/markets/NSE/ONGC/depth/",
    "/console/markets/NSE/ONGC/fills/",
    "/console/markets/NSE/NIFTY%2050/",
    "/console/orders/",
    "/console/orders/?tab=today",
    "/console/orders/?tab=history",
    "/console/orders/rows/?ids=1,2,x",
    "/console/orders/cancel-all/ask/",
    "/console/orders/download/",
    "/console/positions/",
    "/console/positions/download/",
    "/console/positions/trades/",
    "/console/positions/trades/download/",
    "/console/funds/",
    "/console/funds/download/",
    "/console/bots/",
    "/console/bots/new/",
    "/console/bots/new/spot_grid/",
]


@pytest.fixture
def stage(alice: User, redis_client: redis.Redis) -> Stage:
    return Stage(alice, redis_client)


def test_every_page_of_an_owner_with_everything(stage: Stage) -> None:
    order, bot = stage.order(), stage.running_bot()
    own = [
        f"/console/orders/{order.pk}/",
        f"/console/orders/{order.pk}/row/",
        f"/console/orders/{order.pk}/modify/",
        *[f"/console/bots/{bot.pk}/{part}" for part in ("", "live/", "ladder/", "fills/")],
        *[f"/console/bots/{bot.pk}/{part}" for part in ("orders/", "timeline/")],
        *[f"/console/bots/{bot.pk}/{act}/" for act in ("pause", "stop", "add_investment")],
        f"/console/bots/{bot.pk}/withdraw_profit/",
    ]
    for address in [*PAGES, *own]:
        response = stage.client.get(address)
        assert response.status_code == 200, address
        assert response.headers["Content-Security-Policy"], address


def test_every_page_of_a_newcomer_with_nothing(alice: User, redis_client: redis.Redis) -> None:
    Stage(alice, redis_client, funds=0)
    client = client_of(alice)
    for address in PAGES:
        assert client.get(address).status_code == 200, address


def test_strangers_are_sent_to_the_log_in(stage: Stage) -> None:
    for address in PAGES:
        response = Client().get(address)
        assert response.status_code == 302, address
        assert response.headers["Location"].startswith(reverse(LOG_IN)), address


def test_things_of_somebody_else_do_not_exist(stage: Stage, bob: User) -> None:
    order, bot, other = stage.order(), stage.running_bot(), client_of(bob)
    before = Order.objects.values().get(pk=order.pk)
    gets = ["", "row/", "modify/"]
    posts = ["modify/", "cancel/"]
    for part in gets:
        assert other.get(f"/console/orders/{order.pk}/{part}").status_code == 404
    for part in posts:
        assert other.post(f"/console/orders/{order.pk}/{part}").status_code == 404
    for part in ("", "live/", "ladder/", "fills/", "orders/", "timeline/", "stop/", "pause/"):
        assert other.get(f"/console/bots/{bot.pk}/{part}").status_code == 404
    for act in ("start", "pause", "resume", "retry", "stop", "add_investment", "withdraw_profit"):
        assert other.post(f"/console/bots/{bot.pk}/{act}/").status_code == 404
    assert other.get(f"/console/funds/?account={stage.account.pk}").status_code == 404
    assert other.get(f"/console/funds/download/?account={stage.account.pk}").status_code == 404
    assert Order.objects.values().get(pk=order.pk) == before
    assert not BotCommand.objects.exists()


def test_lists_and_search_show_nothing_of_somebody_else(stage: Stage, bob: User) -> None:
    order = stage.order()
    stage.running_bot(name="Secret grid")
    other = client_of(bob)
    rows = other.get(f"/console/orders/rows/?ids={order.pk}").content.decode()
    assert f"order-{order.pk}" not in rows
    for address in ("/console/", "/console/bots/", "/console/search/?q=Secret"):
        assert "Secret grid" not in other.get(address).content.decode()
    assert "Secret grid" in stage.client.get("/console/search/?q=secret").content.decode()
    found = other.get(f"/console/search/?q={order.pk}").content.decode()
    assert f"Order {order.pk}" not in found


def test_every_write_wants_a_token(stage: Stage) -> None:
    order, bot = stage.order(), stage.running_bot()
    client = client_of(stage.user, checks_csrf=True)
    writes = [
        "/console/theme/",
        "/console/account-switch/",
        f"/console/orders/{order.pk}/cancel/",
        f"/console/orders/{order.pk}/modify/",
        "/console/orders/cancel-all/",
        f"/console/ticket/{stage.instrument.pk}/place/",
        "/console/bots/new/spot_grid/",
        f"/console/bots/{bot.pk}/stop/",
    ]
    for address in writes:
        assert client.post(address).status_code == 403, address
    assert Order.objects.get(pk=order.pk).cancel_requested_at is None
    assert Bot.objects.get(pk=bot.pk).status == "RUNNING"


def test_writes_are_not_done_by_looking(stage: Stage) -> None:
    order = stage.order()
    for address in (
        "/console/theme/",
        "/console/account-switch/",
        f"/console/orders/{order.pk}/cancel/",
        "/console/orders/cancel-all/",
        f"/console/ticket/{stage.instrument.pk}/place/",
    ):
        assert stage.client.get(address).status_code == 405, address


def test_nothing_is_at_unknown_addresses(stage: Stage) -> None:
    for address in (
        "/console/nothing/",
        "/console/markets/NSE/NOBODY/",
        "/console/bots/new/futures_grid/",
        "/console/bots/999999/",
        "/console/orders/999999/",
    ):
        response = stage.client.get(address)
        assert response.status_code == 404, address
        assert "There is nothing at this address" in response.content.decode()


def test_the_root_leads_to_the_console() -> None:
    response = Client().get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/console/")


def test_plain_http_beyond_this_machine_is_told_on_every_page(stage: Stage, settings) -> None:
    told = "passwords travel in the open"
    for is_insecure in (True, False):
        settings.INSECURE_LAN = is_insecure
        for client, address in ((stage.client, "/console/"), (Client(), reverse(LOG_IN))):
            assert (told in client.get(address).content.decode()) is is_insecure


def test_the_menu_leads_to_the_profile(stage: Stage) -> None:
    assert f'href="{reverse("accounts:profile")}"' in stage.client.get("/console/").content.decode()


def test_the_theme_is_kept_and_forgotten(stage: Stage) -> None:
    stage.client.post("/console/theme/", {"theme": "dark", "next": "/console/bots/"})
    assert 'data-theme="dark"' in stage.client.get("/console/bots/").content.decode()
    stage.client.post("/console/theme/", {"theme": "", "next": "/console/bots/"})
    assert "data-theme=" not in stage.client.get("/console/bots/").content.decode()


def test_a_form_never_leads_off_the_site(stage: Stage) -> None:
    response = stage.client.post("/console/theme/", {"next": "https://evil.example/"})
    assert response.headers["Location"] == "/console/"


def test_the_account_switch_takes_own_accounts_only(
    stage: Stage, bob: User, redis_client: redis.Redis
) -> None:
    other = Stage(bob, redis_client)
    stage.client.post("/console/account-switch/", {"account": str(stage.account.pk)})
    page = stage.client.get("/console/bots/").content.decode()
    assert f"Account: {stage.account.name}" in page
    stage.client.post("/console/account-switch/", {"account": str(other.account.pk)})
    page = stage.client.get("/console/bots/").content.decode()
    assert "Account: all accounts" in page
    assert other.account.name not in page


def test_pages_name_no_inline_code(stage: Stage) -> None:
    bot = stage.running_bot()
    for address in ("/console/", "/console/markets/NSE/ONGC/", f"/console/bots/{bot.pk}/"):
        page = stage.client.get(address).content.decode()
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<style" not in page
        scripts = [part for part in page.split("<script")[1:] if "application/json" not in part]
        assert all(' src="/static/' in part.split(">")[0] for part in scripts)
