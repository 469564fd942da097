"""Setting up a Spot Grid in the console, and what a person can do to a bot."""

import dataclasses
import html
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from accounts.models import User
from bots.domain.enums import BotStatus
from bots.domain.spot_grid_figures import figures_of
from bots.models import Bot, BotCommand
from bots.selectors import bot_views
from finbyte_site.tests.console import Stage
from market.domain.formatting import plain
from portfolio.models import Book, LedgerTransaction

pytestmark = pytest.mark.django_db

TYPED = {
    "symbol": "NSE:ONGC",
    "name": "My grid",
    "lower": "240",
    "upper": "280",
    "grids": "8",
    "spacing": "arithmetic",
    "investment": "50000",
    "reserve_pct": "0.01",
    "slippage_cap": "0.005",
}


@pytest.fixture
def stage(alice: User, redis_client: redis.Redis) -> Stage:
    return Stage(alice, redis_client, funds=100_000)


def preview(stage: Stage, **values: str) -> tuple[dict[str, Any], str]:
    address = "/console/bots/new/spot_grid/preview/"
    page = stage.client.post(address, {**TYPED, **values}).content.decode()
    found = re.search(r'id="preview-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1]), html.unescape(page)


def test_the_preview_is_the_worked_example(stage: Stage) -> None:
    data, page = preview(stage)
    assert data["errors"] == []
    assert data["levels"] == ["240", "245", "250", "255", "260", "265", "270", "275", "280"]
    assert data["empty_level"] == 5
    for words in ("1.72 % to 1.98 %", "Rs. 2,056.57", "72, about Rs. 18,864.00", "5 buys, 3 sells"):
        assert words in page


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"lower": "240.03"},
            ("lower", "NOT_TICK", "Lower price must be a multiple of 0.05", "0.05", None),
        ),
        (
            {"lower": "280", "upper": "240"},
            ("upper", "ORDER", "Upper price must be above lower price", "280.05", None),
        ),
        (
            {"grids": "201"},
            ("grids", "ABOVE_MAX", "Grids must be between 2 and 200", "2", "200"),
        ),
        (
            {"investment": "100"},
            ("investment", "BELOW_MIN", "Minimum investment is 2056.57 INR", "2056.57", "100000"),
        ),
        (
            {"investment": "200000"},
            (
                "investment",
                "INSUFFICIENT_FUNDS",
                "Free balance is Rs. 1,00,000.00",
                "2056.57",
                "100000",
            ),
        ),
        (
            {"stop_loss": "250"},
            ("stop_loss", "ORDER", "Stop loss must be below the lower price", "0.05", "239.95"),
        ),
        ({"investment": ""}, ("investment", "REQUIRED", "Investment is required", None, None)),
    ],
)
def test_errors_name_field_code_and_limits_and_nothing_is_written(
    stage: Stage, values: dict[str, str], expected: tuple[Any, ...]
) -> None:
    before = LedgerTransaction.objects.count()
    data, _ = preview(stage, **values)
    assert len(data["errors"]) == 1
    error = data["errors"][0]
    names = ("field", "code", "message", "min", "max")
    assert tuple(error[name] for name in names) == expected
    assert (
        stage.client.post("/console/bots/new/spot_grid/review/", {**TYPED, **values}).status_code
        == 422
    )
    response = stage.client.post("/console/bots/new/spot_grid/", {**TYPED, **values})
    assert response.status_code == 422
    assert expected[2] in html.unescape(response.content.decode())
    assert not Bot.objects.exists()
    assert not Book.objects.filter(kind="BOT").exists()
    assert LedgerTransaction.objects.count() == before


def test_a_wrong_investment_still_shows_what_the_ladder_comes_to(stage: Stage) -> None:
    data, page = preview(stage, investment="5")
    assert len(data["levels"]) == 9
    assert "Rs. 2,056.57" in page


def test_the_form_starts_filled_and_ready(stage: Stage) -> None:
    page = stage.client.get("/console/bots/new/spot_grid/?instrument=NSE:ONGC").content.decode()
    assert "ready to start" in page
    assert 'name="investment"' in page
    assert 'value="10000"' in page


def test_the_review_says_in_words_what_happens(stage: Stage) -> None:
    response = stage.client.post("/console/bots/new/spot_grid/review/", TYPED)
    page = " ".join(re.sub(r"<[^>]+>", "", html.unescape(response.content.decode())).split())
    assert f"Rs. 50,000.00 moves from Manual of {stage.account.name}" in page
    assert (
        "It buys 72 ONGC at once, for about Rs. 18,864.00, at most 0.50 % above the market" in page
    )
    assert "It places 5 buy and 3 sell orders of 24 between 240.00 and 280.00" in page
    assert "nothing stops it" in page
    assert not Bot.objects.exists()


def test_start_makes_the_bot_and_moves_its_money(stage: Stage) -> None:
    response = stage.client.post("/console/bots/new/spot_grid/", TYPED)
    bot = Bot.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, f"/console/bots/{bot.pk}/")
    assert (bot.status, bot.name) == ("STARTING", "My grid")
    assert bot.investment == 50_000
    page = stage.client.get("/console/funds/").content.decode()
    assert "My grid" in page


def test_an_unknown_instrument_is_404(stage: Stage) -> None:
    values = {**TYPED, "symbol": "NSE:NOBODY"}
    assert stage.client.post("/console/bots/new/spot_grid/preview/", values).status_code == 404
    assert stage.client.get("/console/bots/new/spot_grid/?instrument=NSE:X").status_code == 404


def test_stop_lists_its_consequences_and_asks_the_bot(stage: Stage) -> None:
    bot = stage.running_bot()
    sheet = stage.client.get(f"/console/bots/{bot.pk}/stop/").content.decode()
    assert "open orders are cancelled" in sheet
    assert "Everything left goes back to Manual" in sheet
    response = stage.client.post(f"/console/bots/{bot.pk}/stop/", {"stop_mode": "keep_assets"})
    assert response.headers["HX-Trigger"] == "fb:this-bot"
    command = BotCommand.objects.get()
    assert (command.kind, command.stop_mode) == ("stop", "keep_assets")
    assert "stop asked for" in stage.client.get(f"/console/bots/{bot.pk}/live/").content.decode()


@pytest.mark.parametrize(
    ("act", "values"),
    [
        ("stop", {"stop_mode": "burn"}),
        ("add_investment", {"amount": "0"}),
        ("add_investment", {"amount": "-5"}),
        ("add_investment", {"amount": "lots"}),
        ("add_investment", {"amount": "1,5"}),
        ("add_investment", {"amount": "0,5"}),
        ("add_investment", {"amount": "1e3"}),
        ("add_investment", {"amount": "1000000"}),
        ("withdraw_profit", {"amount": "NaN"}),
        ("withdraw_profit", {"amount": "1"}),
        ("resume", {}),
    ],
)
def test_a_refused_act_says_why_and_asks_nothing(
    stage: Stage, act: str, values: dict[str, str]
) -> None:
    bot = stage.running_bot()
    response = stage.client.post(f"/console/bots/{bot.pk}/{act}/", values)
    assert response.status_code == 422
    assert 'class="field-error"' in response.content.decode()
    assert not BotCommand.objects.exists()


def test_an_amount_may_be_grouped_as_it_is_shown(stage: Stage) -> None:
    bot = stage.running_bot()
    response = stage.client.post(f"/console/bots/{bot.pk}/add_investment/", {"amount": "10,000"})
    assert response.status_code == 200
    assert BotCommand.objects.get().amount == 10_000
    data, _ = preview(stage, investment="50,000")
    assert data["errors"] == []
    data, _ = preview(stage, investment="5,0")
    assert data["errors"][0]["message"] == "Investment must be a number"


def test_only_acts_that_the_state_allows_are_offered(stage: Stage) -> None:
    bot = stage.running_bot()
    page = stage.client.get(f"/console/bots/{bot.pk}/live/").content.decode()
    assert f"/console/bots/{bot.pk}/pause/" in page
    assert f"/console/bots/{bot.pk}/resume/" not in page
    assert stage.client.get(f"/console/bots/{bot.pk}/sell_my_house/").status_code == 404


def test_a_finished_bot_shows_the_figures_it_ended_with(stage: Stage) -> None:
    bot = stage.running_bot()
    view = bot_views([bot])[0]
    ended = figures_of(view.config, view.state, price=Decimal(300), now=stage.now)
    bot.final_figures = {
        field.name: _stored(getattr(ended, field.name)) for field in dataclasses.fields(ended)
    }
    bot.final_figures["total_pnl"] = "1234.5"
    bot.status = BotStatus.STOPPED
    bot.save()
    assert "+Rs. 1,234.50" in stage.client.get("/console/bots/").content.decode()
    assert "+Rs. 1,234.50" in stage.client.get(f"/console/bots/{bot.pk}/").content.decode()


def _stored(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def test_the_timeline_speaks_plain_words_with_money_written_out(stage: Stage) -> None:
    bot = stage.running_bot()
    bot.events.create(
        step_no=3,
        kind="pair",
        message="Pair 251.6 to 252.1 made 9.67785",
        data={"profit": "9.67785", "low": "251.6", "high": "252.1", "pair_with": "b1-10-B-11"},
        at=stage.now,
    )
    for address in (f"/console/bots/{bot.pk}/", f"/console/bots/{bot.pk}/timeline/", "/console/"):
        page = stage.client.get(address).content.decode()
        assert "Bought at 251.60, sold at 252.10: +Rs. 9.68" in page
        assert "Started with Rs. 50,000.00 from " in page
        assert "b1-10-B-11" not in page
