"""What a newcomer finds: instruments with a past, a demo user with money and one running bot."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.domain.roles import Role
from accounts.models import User
from accounts.services.users import give_role, register_user
from bots.models import Bot
from bots.runtime.hints import hint_bot
from bots.services.bots import create_bot, start_bot
from market.domain.day_figures import first_figures
from market.domain.ticks import Quote
from market.models import Instrument
from market.providers.simulated import SimulatedProvider
from market.selectors import instrument_by_symbol
from market.services.backfill import backfill_simulated
from market.services.instruments import seed_instruments
from market.services.sources import DEFAULT_RUN
from market.services.ticks import first_sequence
from portfolio.models import VenueAccount
from portfolio.services.accounts import open_paper_accounts

DEMO_EMAIL = "demo@finbyte.local"
STAFF_EMAIL = "staff@finbyte.local"
DEMO_SYMBOL = "NSE:ONGC"
DEMO_BOT = "ONGC grid"
INVESTMENT = Decimal(200_000)
HALF_RANGE = Decimal("0.02")
GRIDS = 20


@dataclass(frozen=True, slots=True)
class DemoPasswords:
    """The passwords of the two users of a demo copy, made by `make run`."""

    demo: str
    staff: str


def seed_market(now: datetime) -> None:
    """Make the seed instruments and their simulated past; what is there stays."""
    seed_instruments()
    backfill_simulated(now=now)


def seed_people(passwords: DemoPasswords, *, now: datetime) -> None:
    """Make the demo user, with paper accounts and a running bot, and the staff user."""
    with transaction.atomic():
        demo = _user(DEMO_EMAIL, passwords.demo, full_name="Demo", now=now)
        staff = _user(STAFF_EMAIL, passwords.staff, full_name="Staff", now=now)
        give_role(staff, Role.ADMINISTRATOR)
        if not VenueAccount.objects.filter(user=demo).exists():
            open_paper_accounts(demo, now=now)
    if not Bot.objects.filter(user=demo).exists():
        _start_demo_bot(demo, now=now)


def _user(email: str, password: str, *, full_name: str, now: datetime) -> User:
    """Return the user; the password in the copy's own file is the one that holds."""
    user = User.objects.filter(email=email).first()
    if user is None:
        return register_user(email=email, password=password, full_name=full_name, now=now)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _start_demo_bot(user: User, *, now: datetime) -> None:
    instrument = instrument_by_symbol(DEMO_SYMBOL)
    account = VenueAccount.objects.get(user=user, settlement_asset=instrument.quote_asset)
    quote = simulated_quote(instrument, now=now)
    bot = create_bot(
        user,
        account,
        kind="spot_grid",
        name=DEMO_BOT,
        values=_grid_around(quote.last_price, instrument),
        quote=quote,
        now=now,
    )
    start_bot(user, bot.pk, quote=quote, now=now, hint=hint_bot)


def simulated_quote(instrument: Instrument, *, now: datetime) -> Quote:
    """Return what the feed will say at this moment: the simulated price is a function of time."""
    token = instrument.pk
    provider = SimulatedProvider([instrument.spec])
    tick = provider.poll([token], moment=now)[0]
    day = provider.opening(token, moment=now) or first_figures(
        tick.price, quantity=tick.last_quantity, day=now.date()
    )
    return Quote(
        instrument_token=token,
        source=provider.source,
        run=DEFAULT_RUN,
        fill_model=provider.fill_model,
        sequence=first_sequence(now),
        last_price=tick.price,
        last_quantity=tick.last_quantity,
        volume=tick.volume,
        open=day.open,
        high=max(day.high, tick.price),
        low=min(day.low, tick.price),
        previous_close=day.previous_close,
        exchange_time=tick.exchange_time,
        received_at=now,
        depth=tick.depth,
    )


def _grid_around(price: Decimal, instrument: Instrument) -> dict[str, str]:
    """Return 20 grids over the price, 2 % to each side: wide enough for a day of the simulator."""
    spec = instrument.spec
    return {
        "symbol": instrument.symbol,
        "investment": str(INVESTMENT),
        "lower": str(spec.nearest_tick(price * (1 - HALF_RANGE))),
        "upper": str(spec.nearest_tick(price * (1 + HALF_RANGE))),
        "grids": str(GRIDS),
        "spacing": "arithmetic",
    }
