"""Making bots, starting them, and taking down what their owners ask of them.

Nothing here decides for a bot: a start moves its money and leaves the first step to the runtime,
every other act is stored as a command that the next step carries out (bots.md 1.5: one consumer
per bot, requests never place orders).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from bots.domain.enums import BotStatus, StopMode
from bots.domain.strategy import CommandKind, StrategyContext
from bots.exceptions import BotNotFound, BotNotReady, InvalidParameter
from bots.models import Bot, BotCommand, BotEvent
from bots.registry import strategy_of
from bots.selectors import bot_views, fee_rates, strategy_context
from market.domain.enums import Calendar
from market.domain.formatting import format_money, plain
from market.domain.ticks import Quote, source_name
from market.models import Instrument, InstrumentSource
from market.selectors import instrument_by_symbol
from portfolio.domain.account_fees import FeeKind
from portfolio.models import Book, LedgerAccount, VenueAccount
from portfolio.selectors.charges import fees_of
from portfolio.services.accounts import manual_book, open_book
from portfolio.services.compliance import bot_start_refusal
from portfolio.services.ledger import transfer
from portfolio.services.locking import lock_books

ZERO = Decimal(0)
Hint = Callable[[int], None]

_ASKABLE: Mapping[CommandKind, frozenset[BotStatus]] = {
    CommandKind.PAUSE: frozenset({BotStatus.RUNNING}),
    CommandKind.RESUME: frozenset({BotStatus.PAUSED}),
    CommandKind.RETRY: frozenset({BotStatus.ERROR}),
    CommandKind.ADD_INVESTMENT: frozenset({BotStatus.RUNNING}),
    CommandKind.WITHDRAW_PROFIT: frozenset({BotStatus.RUNNING, BotStatus.PAUSED}),
    CommandKind.STOP: frozenset(
        {
            BotStatus.STARTING,
            BotStatus.WAITING_TRIGGER,
            BotStatus.RUNNING,
            BotStatus.PAUSED,
            BotStatus.ERROR,
        }
    ),
}
# Asking for what is so already, or on its way, is a double click, not a mistake.
_REACHED: Mapping[CommandKind, frozenset[BotStatus]] = {
    CommandKind.PAUSE: frozenset({BotStatus.PAUSED}),
    CommandKind.RESUME: frozenset({BotStatus.RUNNING}),
    CommandKind.RETRY: frozenset({BotStatus.STARTING, BotStatus.RUNNING}),
    CommandKind.STOP: frozenset({BotStatus.STOPPING, BotStatus.STOPPED}),
}
_WORDS: Mapping[CommandKind, str] = {
    CommandKind.PAUSE: "paused",
    CommandKind.RESUME: "resumed",
    CommandKind.RETRY: "retried",
    CommandKind.ADD_INVESTMENT: "given more money",
    CommandKind.WITHDRAW_PROFIT: "asked to pay out",
    CommandKind.STOP: "stopped",
}


# ----------------------------------------------------------------------------- making and starting


def create_bot(
    user: User,
    venue_account: VenueAccount,
    *,
    kind: str,
    name: str | None,
    values: Mapping[str, Any],
    quote: Quote | None,
    now: datetime,
) -> Bot:
    """Check a bot's parameters against the market and store it, ready to be started.

    Raises `InvalidParameter` with field, code and limits; nothing is written then.
    """
    if venue_account.user_id != user.pk:
        raise InvalidParameter("Account is not connected", field="venue_account", code="UNKNOWN")
    strategy = strategy_of(kind)
    instrument = instrument_by_symbol(str(values.get("symbol", "")))
    context = creation_context(venue_account, instrument, quote=quote, now=now)
    config = strategy.parse({**values, "name": name}, context=context)
    with transaction.atomic():
        bot = Bot.objects.create(
            user=user,
            venue_account=venue_account,
            instrument=instrument,
            kind=kind,
            name=config.name,
            config=strategy.dump_config(config),
            derived=_rules_used(context),
            status=BotStatus.VALIDATED,
            stop_mode=config.stop_mode,
            investment=config.investment,
            created_at=now,
            updated_at=now,
        )
        _tell(bot, "created", "Created", now=now)
    return bot


def keep_suggestion(bot: Bot, suggestion: Mapping[str, Any]) -> None:
    """Keep what was suggested with the bot that follows it, to be held against what it makes."""
    bot.derived = {**bot.derived, "suggestion": dict(suggestion)}
    bot.save(update_fields=["derived"])


def creation_context(
    account: VenueAccount, instrument: Instrument, *, quote: Quote | None, now: datetime
) -> StrategyContext:
    """Return what a new config is checked against: price, fees and free balance of now."""
    if instrument.quote_asset != account.settlement_asset:
        raise InvalidParameter(
            f"{instrument.symbol} trades in {instrument.quote_asset}, "
            f"{account.name} in {account.settlement_asset}",
            field="venue_account",
            code="NOT_OFFERED",
        )
    # A bot's own arithmetic, its profit per grid first of all, knows one rate per fill.
    if fees_of(account, at=now).kind is not FeeKind.FLAT:
        raise InvalidParameter(
            f"{account.name} pays itemised Indian charges, and bots count with a flat fee: "
            "use an account with flat fees",
            field="venue_account",
            code="NOT_OFFERED",
        )
    is_usable = quote is not None and quote.is_fresh(now=now, limit=instrument.freshness_limit)
    return strategy_context(
        instrument,
        account,
        rates=fee_rates([account.pk], at=now).get(account.pk, (ZERO, ZERO)),
        market_price=quote.last_price if quote is not None and is_usable else None,
        free_balance=_free_balance(manual_book(account)),
        now=now,
    )


def _free_balance(book: Book) -> Decimal:
    pots = LedgerAccount.objects.filter(
        book=book, kind=LedgerAccount.Kind.AVAILABLE, asset=book.quote_asset
    )
    balance = pots.values_list("balance", flat=True).first()
    return (balance or ZERO).normalize() + ZERO


def _rules_used(context: StrategyContext) -> dict[str, Any]:
    """Return the rules that the config was checked under, as they are kept with it."""
    spec = context.instrument
    return {
        "maker_fee": plain(context.maker_fee),
        "taker_fee": plain(context.taker_fee),
        "fee_mode": context.fee_mode.value,
        "tick_size": plain(spec.tick_size),
        "lot_size": plain(spec.lot_size),
        "min_quantity": plain(spec.min_quantity),
        "min_notional": plain(spec.min_notional),
        "market_price": None if context.market_price is None else plain(context.market_price),
        "calendar": Calendar(spec.calendar).value,
    }


def start_bot(user: User, bot_id: int, *, quote: Quote | None, now: datetime, hint: Hint) -> Bot:
    """Give a bot its own book with its investment; the runtime takes the first step.

    Starting again changes nothing. Raises `InvalidParameter` where the market or the balance no
    longer allow it, and moves no money then.
    """
    with transaction.atomic():
        bot = _locked(user, bot_id)
        if bot.status != BotStatus.VALIDATED:
            if bot.book_id is not None and not BotStatus(bot.status).is_final:
                return bot
            raise BotNotReady(f"{bot.name} cannot be started: it is {bot.status.lower()}")
        _refuse_start(bot.venue_account)
        if quote is None or not quote.is_fresh(now=now, limit=bot.instrument.freshness_limit):
            raise BotNotReady(f"There is no fresh price of {bot.instrument.symbol}; try again")
        manual = manual_book(bot.venue_account)
        lock_books([manual.pk], now=now)
        _check_again(bot, quote=quote, now=now)
        book = open_book(bot.venue_account, name=bot.name, kind=Book.Kind.BOT, now=now)
        transfer(
            manual.pk,
            book.pk,
            asset=manual.quote_asset,
            amount=bot.investment,
            ref=f"bot:{bot.pk}:start",
            now=now,
        )
        bot.book = book
        bot.status, bot.updated_at, bot.next_due_at = BotStatus.STARTING, now, now
        bot.price_run = quote.price_run
        bot.save(update_fields=["book", "status", "updated_at", "next_due_at", "price_run"])
        money = f"{plain(bot.investment)} {manual.quote_asset}"
        said = {"amount": plain(bot.investment), "book": manual.name}
        _tell(bot, "start", f"Started with {money} from Manual", now=now, said=said)
        transaction.on_commit(lambda: hint(bot.pk))
    return bot


def _refuse_start(account: VenueAccount) -> None:
    """Raise `BotNotReady` where the account's rules or state let no bot trade."""
    refusal = bot_start_refusal(account)
    if refusal is not None:
        raise BotNotReady(refusal)


def _check_again(bot: Bot, *, quote: Quote, now: datetime) -> None:
    """Check the stored parameters with the price and the balance of now (bots.md 1.6)."""
    context = creation_context(bot.venue_account, bot.instrument, quote=quote, now=now)
    strategy_of(bot.kind).parse(bot.config, context=context)


def discard_bot(user: User, bot_id: int) -> None:
    """Delete a bot that was never started."""
    with transaction.atomic():
        bot = _locked(user, bot_id)
        if bot.book_id is not None:
            raise BotNotReady(f"{bot.name} was started; stop it instead")
        bot.delete()


# ------------------------------------------------------------------------------------- commands


def pause_bot(user: User, bot_id: int, *, now: datetime, hint: Hint) -> Bot:
    """Ask a bot to send no new orders."""
    return _ask(user, bot_id, CommandKind.PAUSE, now=now, hint=hint)


def resume_bot(user: User, bot_id: int, *, now: datetime, hint: Hint) -> Bot:
    """Ask a paused bot to go on; refused while its prices come from somewhere else."""
    bot = _seen(user, bot_id)
    source = InstrumentSource.objects.filter(pk=bot.instrument_id).first()
    name = "" if source is None else source_name(source.source, source.run)
    if bot.status == BotStatus.PAUSED and bot.price_run not in {"", name}:
        raise BotNotReady(f"{bot.name} waits: prices come from {name} now")
    return _ask(user, bot_id, CommandKind.RESUME, now=now, hint=hint)


def stop_bot(
    user: User, bot_id: int, *, stop_mode: StopMode | str | None, now: datetime, hint: Hint
) -> Bot:
    """Ask a bot to cancel its orders and end; `stop_mode` None takes the one it was made with."""
    try:
        mode = "" if stop_mode is None else StopMode(stop_mode).value
    except ValueError:
        raise InvalidParameter("Unknown stop mode", field="stop_mode", code="UNKNOWN") from None
    return _ask(user, bot_id, CommandKind.STOP, now=now, hint=hint, terms={"stop_mode": mode})


def retry_bot(user: User, bot_id: int, *, now: datetime, hint: Hint) -> Bot:
    """Ask a bot in error to try again."""
    return _ask(user, bot_id, CommandKind.RETRY, now=now, hint=hint)


def add_investment(user: User, bot_id: int, *, amount: Decimal, now: datetime, hint: Hint) -> Bot:
    """Ask a running bot to take more money from Manual and compute its ladder anew."""
    bot = _seen(user, bot_id)
    _check_amount(amount)
    free = _free_balance(manual_book(bot.venue_account))
    if amount > free:
        asset = bot.venue_account.settlement_asset
        raise InvalidParameter(
            f"Free balance is {format_money(free, asset=asset)}",
            field="amount",
            code="ABOVE_MAX",
            maximum=plain(free),
        )
    terms = {"amount": amount}
    return _ask(user, bot_id, CommandKind.ADD_INVESTMENT, now=now, hint=hint, terms=terms)


def withdraw_profit(
    user: User, bot_id: int, *, amount: Decimal | None, now: datetime, hint: Hint
) -> Bot:
    """Ask a bot to pay grid profit out to Manual; None: all that can be released.

    Raises `InvalidParameter` where less can be released; the step looks once more.
    """
    if amount is not None:
        _check_amount(amount)

    def check(bot: Bot) -> None:
        _check_releasable(bot, amount)

    kind, terms = CommandKind.WITHDRAW_PROFIT, {"amount": amount}
    return _ask(user, bot_id, kind, now=now, hint=hint, terms=terms, check=check)


def _check_releasable(bot: Bot, amount: Decimal | None) -> None:
    view = bot_views([bot])[0]
    most = view.strategy.releasable(view.config, view.state) if view.state else ZERO
    if most > 0 and (amount is None or amount <= most):
        return
    if most > 0:
        # Rounded down: what the words name is not refused again.
        shown = most.quantize(Decimal("0.01"), rounding=ROUND_DOWN)
        asset = bot.venue_account.settlement_asset
        words = f"{format_money(shown, asset=asset)} can be released"
    else:
        words = "No grid profit can be released"
    raise InvalidParameter(f"{words} now", field="amount", code="ABOVE_MAX", maximum=plain(most))


def _check_amount(amount: Decimal) -> None:
    if not amount.is_finite() or amount <= 0:
        raise InvalidParameter(
            "Amount must be above 0", field="amount", code="BELOW_MIN", minimum="0"
        )


def _ask(
    user: User,
    bot_id: int,
    kind: CommandKind,
    *,
    now: datetime,
    hint: Hint,
    terms: Mapping[str, Any] | None = None,
    check: Callable[[Bot], None] | None = None,
) -> Bot:
    """Store a command for the bot's next step; one of a kind waits at a time.

    `check` may refuse what its newest state does not allow.
    """
    with transaction.atomic():
        bot = _locked(user, bot_id)
        status = BotStatus(bot.status)
        if status in _REACHED.get(kind, frozenset()):
            return bot
        if status not in _ASKABLE[kind]:
            raise BotNotReady(f"{bot.name} cannot be {_WORDS[kind]} while it is {status.lower()}")
        waiting = BotCommand.objects.filter(bot=bot, kind=kind, handled_at=None).first()
        if waiting is not None:
            _refuse_other_terms(waiting, terms or {})
            return bot
        if check is not None:
            check(bot)
        store_command(bot, kind, now=now, terms=terms)
        transaction.on_commit(lambda: hint(bot.pk))
    return bot


def store_command(
    bot: Bot, kind: CommandKind, *, now: datetime, terms: Mapping[str, Any] | None = None
) -> None:
    """Write a command and its line on the timeline."""
    BotCommand.objects.create(bot=bot, kind=kind, created_at=now, **(terms or {}))
    said = {name: str(value) for name, value in (terms or {}).items() if value}
    said["command"] = kind.value
    message = f"{kind.replace('_', ' ').capitalize()} asked for"
    _tell(bot, "asked", message, now=now, said=said)


def _refuse_other_terms(waiting: BotCommand, terms: Mapping[str, Any]) -> None:
    if any(getattr(waiting, name) != value for name, value in terms.items()):
        raise BotNotReady(f"Another {waiting.kind.replace('_', ' ')} is being carried out; wait")


def _locked(user: User, bot_id: int) -> Bot:
    """Lock the user's bot, waiting for a step that is under way."""
    found = Bot.objects.for_user(user).select_related("instrument", "venue_account")
    bot = found.select_for_update(of=("self",), no_key=True).filter(pk=bot_id).first()
    if bot is None:
        raise BotNotFound(f"There is no bot {bot_id}.")
    return bot


def _seen(user: User, bot_id: int) -> Bot:
    bot = Bot.objects.for_user(user).select_related("venue_account").filter(pk=bot_id).first()
    if bot is None:
        raise BotNotFound(f"There is no bot {bot_id}.")
    return bot


def _tell(
    bot: Bot, kind: str, message: str, *, now: datetime, said: Mapping[str, str] | None = None
) -> None:
    BotEvent.objects.create(
        bot=bot, step_no=bot.step_no, kind=kind, message=message, data=dict(said or {}), at=now
    )
