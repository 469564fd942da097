"""What programs do with bots: check, make, start, ask; the services decide."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.exceptions import InvalidInput
from accounts.models import User
from api.serializers.bots import bot_row, flat
from bots.models import Bot
from bots.registry import strategy_of
from bots.runtime.hints import hint_bot
from bots.selectors import BotView, bot_of, bot_views, pending_commands
from bots.services import bots as services
from market.domain.ticks import Quote
from market.models import Instrument
from market.selectors import instrument_by_symbol
from market.streams import connect, read_quotes
from portfolio.exceptions import AccountNotFound
from portfolio.models import VenueAccount
from portfolio.selectors.pages import accounts_of, manual_book_of

# What of a request is not a parameter of the bot.
_OURS = ("kind", "venue_account_id")


def newest_quote(token: int) -> Quote | None:
    """Return the newest quote, if there is one."""
    return read_quotes(connect(), [token]).get(token)


def wanted(user: User, values: Mapping[str, Any]) -> tuple[VenueAccount, Instrument, Quote | None]:
    """Return where the bot is to trade, what, and at which price the market is."""
    instrument = instrument_by_symbol(str(values.get("symbol", "")))
    return account_for(user, values, instrument), instrument, newest_quote(instrument.pk)


def account_for(user: User, values: Mapping[str, Any], instrument: Instrument) -> VenueAccount:
    """Return the account that is named, else the oldest that trades in the right asset."""
    named = values.get("venue_account_id")
    if named is not None:
        found = accounts_of(user).filter(pk=named).first()
        if found is None:
            raise AccountNotFound(f"There is no account {named}.")
        return found
    book = manual_book_of(user, account=None, quote_asset=instrument.quote_asset)
    if book is None:
        message = f"None of your accounts trades in {instrument.quote_asset}."
        raise InvalidInput(message, field="symbol", code="no_account")
    return book.venue_account


def parameters_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bot's parameters among the fields; those of no use to its kind are refused."""
    kind = values["kind"]
    given = {name: value for name, value in values.items() if name not in _OURS}
    known = {each.name for each in strategy_of(kind).parameters}
    unknown = sorted(set(given) - known)
    if unknown:
        message = f"Unknown field `{unknown[0]}` of a {kind}. Known: {', '.join(sorted(known))}."
        raise InvalidInput(message, field=unknown[0], code="unknown")
    return given


def preview(user: User, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bot would come to; nothing is written."""
    account, instrument, quote = wanted(user, values)
    context = services.creation_context(account, instrument, quote=quote, now=timezone.now())
    strategy = strategy_of(values["kind"])
    config = strategy.parse(parameters_of(values), context=context)
    return {
        "kind": strategy.kind,
        "symbol": instrument.symbol,
        "parameters": strategy.dump_config(config),
        "preview": flat(strategy.preview(config, context=context)),
    }


def creation(user: User, values: Mapping[str, Any]) -> Callable[[], dict[str, Any]]:
    """Return what makes the bot: prices are read before the transaction begins."""
    account, _, quote = wanted(user, values)
    parameters = parameters_of(values)

    def make() -> dict[str, Any]:
        bot = services.create_bot(
            user,
            account,
            kind=values["kind"],
            name=parameters.get("name"),
            values=parameters,
            quote=quote,
            now=timezone.now(),
        )
        return row_of(user, bot.pk)

    return make


_ASKS: Mapping[str, Callable[..., Bot]] = {
    "pause": services.pause_bot,
    "resume": services.resume_bot,
    "retry": services.retry_bot,
    "stop": services.stop_bot,
    "add_investment": services.add_investment,
    "withdraw_profit": services.withdraw_profit,
}


def act_on(
    user: User, bot_id: int, *, name: str, terms: Mapping[str, Any]
) -> Callable[[], dict[str, Any]]:
    """Return what carries out an act; it returns the bot's row after it."""
    bot = bot_of(user, bot_id)
    quote = newest_quote(bot.instrument_id) if name == "start" else None
    now = timezone.now()

    def act() -> dict[str, Any]:
        if name == "start":
            services.start_bot(user, bot_id, quote=quote, now=now, hint=hint_bot)
        else:
            _ASKS[name](user, bot_id, now=now, hint=hint_bot, **terms)
        return row_of(user, bot_id)

    return act


def row_of(user: User, bot_id: int) -> dict[str, Any]:
    """Return a bot's row with what has been asked of it."""
    bot = bot_of(user, bot_id)
    return bot_row(bot, pending=pending_commands([bot]).get(bot.pk, ()))


def profit_of(user: User, bot_id: int) -> dict[str, Any]:
    """Return where a bot stands at the newest price."""
    bot = bot_of(user, bot_id)
    view, quote = bot_views([bot])[0], newest_quote(bot.instrument_id)
    return {
        "bot_id": str(bot.pk),
        "quote_asset": bot.instrument.quote_asset,
        "figures": None if quote is None else _figures(view, quote),
        "final": bot.final_figures,
    }


def _figures(view: BotView, quote: Quote) -> Any:
    if view.state is None or view.bot.book_id is None:
        return None
    price: Decimal = quote.last_price
    return flat(
        view.strategy.figures(view.config, view.state, price=price, now=quote.exchange_time)
    )
