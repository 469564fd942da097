"""The list of bots and the page of one bot, with its live parts."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from bots.domain.enums import PauseMode, StopMode
from bots.domain.spot_grid_config import GridConfig, Spacing
from bots.exceptions import BotNotFound
from bots.models import Bot
from bots.selectors import BotView, bot_of, bot_views, timeline
from bots.views.acts import acts_of
from bots.views.cards import bot_cards, card_of, ladder_lines, ladder_rows
from bots.views.fills import fill_rows, resting_orders
from bots.views.suggest import suggested_words
from market.domain.formatting import format_percent, format_price
from market.streams import connect, read_quotes
from market.views import CHART_SPANS
from portfolio.views.access import user_of
from portfolio.views.scope import selected_account


def found_bot(request: HttpRequest, bot_id: int) -> Bot:
    """Return the user's bot or answer 404, whoever owns it."""
    try:
        return bot_of(user_of(request), bot_id)
    except BotNotFound as error:
        raise Http404(str(error)) from error


@login_required
@require_GET
def bot_list(request: HttpRequest) -> HttpResponse:
    """Show the user's bots as cards."""
    page = {"cards": bot_cards(user_of(request), account=selected_account(request))}
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, "bots/_cards.html" if is_part else "bots/list.html", page)


def _live(view: BotView) -> dict[str, Any]:
    bot = view.bot
    card = card_of(view, read_quotes(connect(), [bot.instrument_id]).get(bot.instrument_id))
    return {"bot": bot, "card": card, "price": card.price, "acts": acts_of(bot)}


def _ladder(view: BotView) -> dict[str, Any]:
    rows = ladder_rows(view)
    return {"bot": view.bot, "ladder": rows, "lines": ladder_lines(view, rows)}


def _fills(bot: Bot) -> dict[str, Any]:
    return {"bot": bot, "fills": fill_rows(bot)}


def _orders(request: HttpRequest, bot: Bot) -> dict[str, Any]:
    return {"bot": bot, "orders": list(resting_orders(user_of(request), bot))}


@login_required
@require_GET
def bot_detail(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show one bot: where it stands, its ladder, fills, decisions and parameters."""
    bot = found_bot(request, bot_id)
    view = bot_views([bot])[0]
    page = _live(view) | _ladder(view) | _fills(bot) | _orders(request, bot)
    page |= {
        "events": timeline(bot),
        "parameters": parameters(view),
        "intervals": list(CHART_SPANS),
    }
    return render(request, "bots/detail.html", page)


@login_required
@require_GET
def bot_live(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show where a bot stands now."""
    view = bot_views([found_bot(request, bot_id)])[0]
    return render(request, "bots/_live.html", _live(view))


@login_required
@require_GET
def bot_ladder(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show a bot's levels now."""
    view = bot_views([found_bot(request, bot_id)])[0]
    return render(request, "bots/_ladder.html", _ladder(view))


@login_required
@require_GET
def bot_fills(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show a bot's newest fills."""
    return render(request, "bots/_fills.html", _fills(found_bot(request, bot_id)))


@login_required
@require_GET
def bot_orders(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show a bot's resting orders."""
    return render(request, "bots/_orders.html", _orders(request, found_bot(request, bot_id)))


@login_required
@require_GET
def bot_timeline(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show a bot's newest decisions."""
    return render(request, "bots/_timeline.html", {"events": timeline(found_bot(request, bot_id))})


_SPACINGS = {Spacing.ARITHMETIC: "equal steps", Spacing.GEOMETRIC: "equal percent"}
_PAUSES = {PauseMode.KEEP_ORDERS: "keeps its orders", PauseMode.CANCEL_ORDERS: "cancels its orders"}
_STOPS = {StopMode.SELL_ALL: "sells everything", StopMode.KEEP_ASSETS: "keeps the units"}


def parameters(view: BotView) -> list[tuple[str, str]]:
    """Return the parameters of a Spot Grid in words."""
    config: GridConfig = view.config
    spec = view.bot.instrument

    def price(value: Any) -> str:
        if value is None:
            return "off"
        return format_price(value, tick=spec.tick_size, asset=spec.quote_asset)

    kept = view.bot.derived.get("suggestion")
    suggested = [("Suggested", suggested_words(kept))] if kept else []
    return [
        *suggested,
        ("Range", f"{price(config.lower)} to {price(config.upper)}"),
        ("Grids", f"{config.grids}, {_SPACINGS[config.spacing]}"),
        ("Start at", price(config.trigger_price)),
        ("Stop loss", price(config.stop_loss)),
        ("Take profit", price(config.take_profit)),
        ("Maximum loss", price(config.max_loss or None)),
        ("Reserve", format_percent(config.reserve_pct)),
        ("Slippage cap", format_percent(config.slippage_cap)),
        ("Reinvest", "once a day" if config.reinvest else "off"),
        ("When paused", _PAUSES[config.pause_mode]),
        ("When it stops", _STOPS[config.stop_mode]),
        (
            "Fees",
            f"{format_percent(config.rules.maker_fee)} maker, {format_percent(config.rules.taker_fee)} taker",
        ),
    ]
