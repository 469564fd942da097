"""What a person can do to a bot, with the consequences listed before it happens."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from bots.domain.enums import BotStatus
from bots.exceptions import BotNotFound, BotNotReady, BotsError, InvalidParameter
from bots.models import Bot
from bots.runtime.hints import hint_bot
from bots.selectors import bot_of, bot_views
from bots.services import bots as services
from bots.views.cards import consequences
from market.domain.typed_numbers import typed_number
from market.streams import connect, read_quotes
from portfolio.exceptions import PortfolioError
from portfolio.selectors.pages import manual_books_of, money_of
from portfolio.views.access import user_of

INVALID = 422


@dataclass(frozen=True, slots=True)
class Act:
    """One act: where it is offered, and how it is asked."""

    name: str
    title: str
    question: str
    icon: str
    statuses: frozenset[BotStatus]
    is_main: bool = False

    @property
    def template(self) -> str:
        """Return the template with what the act does."""
        return f"bots/acts/{self.name}.html"


ACTS = (
    Act(
        "start", "Start", "Start this bot?", "play", frozenset({BotStatus.VALIDATED}), is_main=True
    ),
    Act(
        "resume", "Resume", "Resume this bot?", "play", frozenset({BotStatus.PAUSED}), is_main=True
    ),
    Act("retry", "Retry", "Try again?", "play", frozenset({BotStatus.ERROR}), is_main=True),
    Act("pause", "Pause", "Pause this bot?", "pause", frozenset({BotStatus.RUNNING})),
    Act(
        "add_investment",
        "Add investment",
        "Add investment?",
        "plus",
        frozenset({BotStatus.RUNNING}),
    ),
    Act(
        "withdraw_profit",
        "Withdraw profit",
        "Withdraw profit?",
        "out",
        frozenset({BotStatus.RUNNING, BotStatus.PAUSED}),
    ),
    Act(
        "stop",
        "Stop",
        "Stop this bot for good?",
        "stop",
        frozenset(
            {
                BotStatus.STARTING,
                BotStatus.WAITING_TRIGGER,
                BotStatus.RUNNING,
                BotStatus.PAUSED,
                BotStatus.ERROR,
            }
        ),
    ),
)


def acts_of(bot: Bot) -> list[Act]:
    """Return the acts that a bot's state allows."""
    return [act for act in ACTS if bot.status in act.statuses]


def _found(request: HttpRequest, bot_id: int, name: str) -> tuple[Bot, Act]:
    try:
        bot = bot_of(user_of(request), bot_id)
    except BotNotFound as error:
        raise Http404(str(error)) from error
    act = next((each for each in ACTS if each.name == name), None)
    if act is None:
        raise Http404(f"There is no act {name!r}.")
    return bot, act


@login_required
@require_http_methods(["GET", "POST"])
def bot_act(request: HttpRequest, bot_id: int, name: str) -> HttpResponse:
    """Ask with the consequences, then act; a refusal is said in the sheet."""
    bot, act = _found(request, bot_id, name)
    if request.method == "GET":
        return render(request, "bots/_act.html", _page(request, bot, act))
    try:
        _do(request, bot, act)
    except (BotsError, PortfolioError) as error:
        page = _page(request, bot, act) | {"error": str(error)}
        return render(request, "bots/_act.html", page, status=INVALID)
    response = HttpResponse("")
    response["HX-Trigger"] = "fb:this-bot"
    return response


def _page(request: HttpRequest, bot: Bot, act: Act) -> dict[str, Any]:
    view = bot_views([bot])[0]
    quote = read_quotes(connect(), [bot.instrument_id]).get(bot.instrument_id)
    books = manual_books_of(user_of(request), account=bot.venue_account)
    facts = consequences(view)
    return {
        "bot": bot,
        "act": act,
        "config": view.config,
        "facts": facts,
        "proceeds": facts["base"] * quote.last_price if quote else None,
        "free": money_of(books.get(), bot.instrument, now=timezone.now()).free_quote,
        "releasable": view.strategy.releasable(view.config, view.state)
        if view.state
        else Decimal(0),
        "amount": request.POST.get("amount", ""),
    }


def _do(request: HttpRequest, bot: Bot, act: Act) -> None:
    user = user_of(request)
    if bot.status not in act.statuses:
        raise BotNotReady(
            f"{bot.name} is {bot.status.lower()}: {act.title.lower()} is not for now."
        )
    terms: dict[str, Any] = {"now": timezone.now(), "hint": hint_bot}
    if act.name == "start":
        quote = read_quotes(connect(), [bot.instrument_id]).get(bot.instrument_id)
        services.start_bot(user, bot.pk, quote=quote, **terms)
    elif act.name == "stop":
        services.stop_bot(user, bot.pk, stop_mode=request.POST.get("stop_mode"), **terms)
    elif act.name in _MONEY_ACTS:
        _MONEY_ACTS[act.name](user, bot.pk, amount=_amount(request), **terms)
    else:
        _PLAIN_ACTS[act.name](user, bot.pk, **terms)


_PLAIN_ACTS: dict[str, Callable[..., Any]] = {
    "pause": services.pause_bot,
    "resume": services.resume_bot,
    "retry": services.retry_bot,
}
_MONEY_ACTS: dict[str, Callable[..., Any]] = {
    "add_investment": services.add_investment,
    "withdraw_profit": services.withdraw_profit,
}


def _amount(request: HttpRequest) -> Decimal:
    amount = typed_number(request.POST.get("amount", ""))
    if amount is None:
        raise InvalidParameter("Enter an amount like 1234.50.", field="amount", code="NOT_A_NUMBER")
    if amount <= 0:
        raise InvalidParameter(
            "Enter an amount above 0.", field="amount", code="BELOW_MIN", minimum="0"
        )
    return amount
