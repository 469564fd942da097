"""Setting up a Spot Grid: the form, its one preview call, the confirmation, the start."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bots.domain.spot_grid_config import GridConfig
from bots.domain.spot_grid_plan import levels_of
from bots.domain.spot_grid_preview import Preview, preview
from bots.domain.strategy import StrategyContext
from bots.exceptions import BotsError, InvalidParameter
from bots.registry import strategy_of
from bots.runtime.hints import hint_bot
from bots.services.bots import create_bot, creation_context, keep_suggestion, start_bot
from bots.views.suggest import (
    Advice,
    advice_for,
    first_values,
    known_advice,
    suggested_investment,
    taken_offer,
)
from market.domain.formatting import plain
from market.domain.ticks import Quote
from market.domain.typed_numbers import ungrouped
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.selectors import instrument_by_symbol, watched_instruments
from market.streams import connect, read_quotes
from portfolio.models import VenueAccount
from portfolio.selectors.pages import accounts_of
from portfolio.views.access import positive_int, user_of

STARTABLE_KINDS = frozenset({"spot_grid"})
FIELDS = (
    "name",
    "investment",
    "lower",
    "upper",
    "grids",
    "spacing",
    "reserve_pct",
    "slippage_cap",
    "trigger_price",
    "stop_loss",
    "take_profit",
    "reinvest",
    "pause_mode",
    "stop_mode",
    "max_loss",
    "run_until",
)
_NUMBERS = frozenset(
    {
        "investment",
        "lower",
        "upper",
        "grids",
        "reserve_pct",
        "slippage_cap",
        "trigger_price",
        "stop_loss",
        "take_profit",
        "max_loss",
    }
)
DEFAULTS = {
    "spacing": "arithmetic",
    "reserve_pct": "0.01",
    "slippage_cap": "0.005",
    "max_loss": "0",
    "pause_mode": "keep_orders",
    "stop_mode": "sell_all",
}
# Large enough that a missing investment never hides what the rest of the form comes to.
_ANY_INVESTMENT = "1000000000"
INVALID = 422


@dataclass(frozen=True, slots=True)
class GridDraft:
    """What somebody has typed, checked; without a config there is nothing to preview."""

    instrument: Instrument
    account: VenueAccount | None
    quote: Quote | None
    values: dict[str, str]
    context: StrategyContext | None = None
    config: GridConfig | None = None
    preview: Preview | None = None
    errors: list[dict[str, str | None]] = field(default_factory=list)

    @property
    def free(self) -> Decimal | None:
        """Return the money that can be invested."""
        return self.context.free_balance if self.context else None

    @property
    def advice(self) -> Advice | None:
        """Return what is suggested, where it has been computed already."""
        if self.context is None:
            return None
        return known_advice(self.instrument, self.context, quote=self.quote)


def _accounts(request: HttpRequest, instrument: Instrument) -> list[VenueAccount]:
    accounts = accounts_of(user_of(request)).filter(settlement_asset=instrument.quote_asset)
    return list(accounts)


def _account(request: HttpRequest, instrument: Instrument) -> VenueAccount | None:
    """Return the account that was chosen, else the first that trades the instrument."""
    accounts = _accounts(request, instrument)
    chosen = request.POST.get("venue_account") or request.GET.get("venue_account")
    wanted = positive_int(chosen)
    account = next((each for each in accounts if each.pk == wanted), None)
    return account or next(iter(accounts), None)


def _instrument(symbol: str) -> Instrument:
    try:
        found = instrument_by_symbol(symbol)
    except InstrumentNotFound as error:
        raise Http404(str(error)) from error
    return found


def _first_instrument() -> Instrument:
    found = watched_instruments().filter(is_tradable=True).first()
    if found is None:
        raise Http404("No instrument has prices yet.")
    return found


def typed_values(data: Mapping[str, str], *, zone: str) -> dict[str, str]:
    """Return the parameters that were typed; an empty field is left out."""
    values = {name: data[name].strip() for name in FIELDS if data.get(name, "").strip()}
    values |= {name: ungrouped(values[name]) for name in _NUMBERS & values.keys()}
    until = parse_datetime(values.get("run_until", ""))
    if until is not None and until.tzinfo is None:
        values["run_until"] = until.replace(tzinfo=ZoneInfo(zone)).isoformat()
    return values


def error_values(error: InvalidParameter) -> dict[str, str | None]:
    """Return an error as forms and programs read it (bots.md 1.8)."""
    return {
        "field": error.field,
        "code": error.code,
        "message": str(error),
        "min": error.minimum,
        "max": error.maximum,
    }


def draft_of(
    request: HttpRequest, kind: str, *, instrument: Instrument, values: dict[str, str]
) -> GridDraft:
    """Check what was typed and work out what it comes to; writes nothing."""
    account = _account(request, instrument)
    quote = read_quotes(connect(), [instrument.pk]).get(instrument.pk)
    if account is None:
        missing = InvalidParameter("Account is not connected", field="symbol", code="REQUIRED")
        return GridDraft(instrument, None, quote, values, errors=[error_values(missing)])
    context = creation_context(account, instrument, quote=quote, now=timezone.now())
    config, errors = _checked(kind, values, context=context)
    return GridDraft(
        instrument,
        account,
        quote,
        values,
        context=context,
        config=config,
        preview=preview(config, context) if config else None,
        errors=errors,
    )


def _checked(
    kind: str, values: Mapping[str, str], *, context: StrategyContext
) -> tuple[GridConfig | None, list[dict[str, str | None]]]:
    """Return the config and the errors; a wrong investment alone still gives a config to show."""
    strategy = strategy_of(kind)
    try:
        return strategy.parse(values, context=context), []
    except InvalidParameter as error:
        errors = [error_values(error)]
        if error.field != "investment":
            return None, errors
    unlimited = replace(context, free_balance=None)
    boundless = replace(unlimited, instrument=replace(context.instrument, max_quantity=None))
    try:
        config = strategy.parse({**values, "investment": _ANY_INVESTMENT}, context=boundless)
        least = preview(config, boundless).minimum_investment
        return strategy.parse({**values, "investment": least}, context=unlimited), errors
    except InvalidParameter:
        return None, errors


def preview_page(draft: GridDraft, kind: str) -> dict[str, Any]:
    """Return what the preview panel and the chart show."""
    config, found = draft.config, draft.preview
    lines = {
        name: None
        if config is None or getattr(config, name) is None
        else plain(getattr(config, name))
        for name in ("stop_loss", "take_profit", "trigger_price")
    }
    return {
        "kind": kind,
        "instrument": draft.instrument,
        "account": draft.account,
        "config": config,
        "preview": found,
        "errors": draft.errors,
        "values": draft.values,
        "free": draft.free,
        "quote": draft.quote,
        "buys": found.empty_level if found else 0,
        "sells": len(found.orders) - found.empty_level if found else 0,
        "data": {
            "errors": draft.errors,
            "levels": [plain(level) for level in levels_of(config)] if config else [],
            "empty_level": found.empty_level if found else 0,
            **lines,
        },
    }


@login_required
@require_GET
def bot_new(request: HttpRequest) -> HttpResponse:
    """Let somebody choose what kind of bot it shall be."""
    return render(request, "bots/new.html")


@login_required
@require_http_methods(["GET", "POST"])
def bot_create(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the form with suggested values; a POST creates the bot and starts it."""
    _check_kind(kind)
    if request.method == "POST":
        return _created(request, kind)
    symbol = request.GET.get("instrument", "")
    instrument = _instrument(symbol) if symbol else _first_instrument()
    values = {**DEFAULTS, "name": f"{instrument.display_name} grid"[:40]}
    empty = draft_of(request, kind, instrument=instrument, values=values)
    offers = empty.advice.offers if empty.advice else ()
    values |= offers[0].values if offers else first_values(instrument, empty.quote)
    draft = draft_of(request, kind, instrument=instrument, values=values)
    if draft.preview and draft.free:
        amount = suggested_investment(draft.preview.minimum_investment, free=draft.free)
        values["investment"] = plain(amount)
        draft = draft_of(request, kind, instrument=instrument, values=values)
    page = _form_page(request, kind, draft) | {"is_first": True}
    return render(request, "bots/create.html", page)


def _check_kind(kind: str) -> None:
    if kind not in STARTABLE_KINDS:
        raise Http404(f"There is no bot kind {kind!r}.")


def _form_page(request: HttpRequest, kind: str, draft: GridDraft) -> dict[str, Any]:
    return preview_page(draft, kind) | {
        "instruments": watched_instruments().filter(is_tradable=True),
        "accounts": _accounts(request, draft.instrument),
        "advice": draft.advice,
    }


@login_required
@require_GET
def bot_suggestions(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the best grid of each profile; the first look within the hour computes them."""
    _check_kind(kind)
    instrument = _instrument(request.GET.get("instrument", ""))
    draft = draft_of(request, kind, instrument=instrument, values={})
    if draft.context is None:
        advice = Advice((), f"You have no account in {instrument.quote_asset}.")
    else:
        advice = advice_for(instrument, draft.context, quote=draft.quote)
    return render(request, "bots/_suggestions.html", {"advice": advice, "instrument": instrument})


def _posted(request: HttpRequest, kind: str) -> GridDraft:
    _check_kind(kind)
    instrument = _instrument(request.POST.get("symbol", ""))
    values = typed_values(request.POST.dict(), zone=user_of(request).time_zone)
    return draft_of(request, kind, instrument=instrument, values=values)


@login_required
@require_POST
def bot_preview(request: HttpRequest, kind: str) -> HttpResponse:
    """Work out the grid as it is typed; the errors are those that a start would give."""
    return render(request, "bots/_preview.html", preview_page(_posted(request, kind), kind))


@login_required
@require_POST
def bot_review(request: HttpRequest, kind: str) -> HttpResponse:
    """Say in words what a start would do, or name what is wrong."""
    draft = _posted(request, kind)
    page = preview_page(draft, kind)
    if draft.errors or draft.preview is None:
        return render(request, "bots/_refused.html", page, status=INVALID)
    page["values"] = {**draft.values, "symbol": draft.instrument.symbol}
    if draft.account is not None:
        page["values"]["venue_account"] = str(draft.account.pk)
    return render(request, "bots/_review.html", page)


def _created(request: HttpRequest, kind: str) -> HttpResponse:
    draft = _posted(request, kind)
    if draft.errors or draft.account is None:
        return _form_again(request, kind, draft)
    user, now = user_of(request), timezone.now()
    try:
        with transaction.atomic(durable=True):
            bot = create_bot(
                user,
                draft.account,
                kind=kind,
                name=draft.config.name if draft.config else "",
                values={**draft.values, "symbol": draft.instrument.symbol},
                quote=draft.quote,
                now=now,
            )
            taken = taken_offer(draft.advice, draft.config) if draft.config else None
            if taken is not None:
                keep_suggestion(bot, taken)
            start_bot(user, bot.pk, quote=draft.quote, now=now, hint=hint_bot)
    except InvalidParameter as error:
        draft.errors.append(error_values(error))
        return _form_again(request, kind, draft)
    except BotsError as error:
        wrong = InvalidParameter(str(error), field="symbol", code="REFUSED")
        draft.errors.append(error_values(wrong))
        return _form_again(request, kind, draft)
    return redirect("bots:bot-detail", bot.pk)


def _form_again(request: HttpRequest, kind: str, draft: GridDraft) -> HttpResponse:
    page = _form_page(request, kind, draft)
    return render(request, "bots/create.html", page, status=INVALID)
