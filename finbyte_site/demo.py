"""What a newcomer finds: instruments with a past, a demo user with money and one running bot."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from accounts.services.users import register_user
from bots.models import Bot
from bots.services.bots import create_bot, start_bot
from market.domain.enums import SourceKind
from market.models import Candle, Instrument
from market.selectors import instrument_by_symbol
from market.services.backfill import backfill_simulated
from market.services.instruments import seed_instruments
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
        if not staff.is_superuser:
            staff.is_staff = staff.is_superuser = True
            staff.save(update_fields=["is_staff", "is_superuser"])
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
    bot = create_bot(
        user=user,
        venue_account=account,
        kind="spot_grid",
        name=DEMO_BOT,
        values=_grid_around(instrument),
        now=now,
    )
    start_bot(bot, now=now)


def _grid_around(instrument: Instrument) -> dict[str, str]:
    """Return a grid of 20 over the last price, 2 % to each side: about five steps an hour."""
    newest = (
        Candle.objects.filter(instrument=instrument, source=SourceKind.SIMULATED)
        .order_by("-time")
        .values_list("close", flat=True)[:1]
    )
    price = newest[0]
    spec = instrument.spec
    return {
        "symbol": instrument.symbol,
        "investment": str(INVESTMENT),
        "lower": str(spec.nearest_tick(price * (1 - HALF_RANGE))),
        "upper": str(spec.nearest_tick(price * (1 + HALF_RANGE))),
        "grids": str(GRIDS),
        "spacing": "arithmetic",
    }
