"""Makes worlds for the runtime's tests: a user with a paper account, prices, bots on them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from bots.domain.spot_grid_config import GridConfig
from bots.domain.spot_grid_state import GridState
from bots.models import Bot
from bots.runtime.simulation import SimulationRunner
from bots.runtime.stepper import StepReport
from bots.selectors import BotView, bot_views, bots_for
from bots.services import bots as services
from market.domain.enums import Calendar, FeeMode
from market.domain.ticks import Quote
from market.models import Instrument, InstrumentSource
from portfolio.models import Book, LedgerAccount, VenueAccount
from portfolio.services.accounts import manual_book
from portfolio.tests.factories import make_account, make_book, make_instrument

GRID: dict[str, Any] = {
    "symbol": "NSE:ONGC",
    "lower": "240",
    "upper": "280",
    "grids": "8",
    "investment": "50000",
}


def always_open(symbol: str = "NSE:ONGC", **rules: Any) -> Instrument:
    """Return a seeded instrument that trades round the clock, so that orders rest over days."""
    instrument = make_instrument(symbol)
    for name, value in {"calendar": Calendar.ALWAYS, **rules}.items():
        setattr(instrument, name, value)
    instrument.save()
    return Instrument.objects.get(pk=instrument.pk)


@dataclass
class World:
    """One user's account and bots in a running simulation; the clock moves with the ticks."""

    user: User
    account: VenueAccount
    instrument: Instrument
    runner: SimulationRunner
    now: datetime

    @property
    def manual(self) -> Book:
        """Return the book of manual trading."""
        return manual_book(self.account)

    @property
    def quote(self) -> Quote:
        """Return the newest quote."""
        return self.runner.quotes[self.instrument.pk]

    def tick(self, *prices: object, seconds: float = 60) -> list[StepReport]:
        """Let ticks happen, each so many seconds after the last."""
        reports: list[StepReport] = []
        for price in prices:
            self.now += timedelta(seconds=seconds)
            reports += self.runner.tick(self.instrument.pk, Decimal(str(price)), at=self.now)
        return reports

    def settle(self) -> list[StepReport]:
        """Let happen what follows from commands, at the same time and price."""
        return self.runner.settle(self.now)

    def create(self, **values: Any) -> Bot:
        """Create a grid."""
        return services.create_bot(
            self.user,
            self.account,
            kind="spot_grid",
            name=values.pop("name", "Grid"),
            values={**GRID, "symbol": self.instrument.symbol, **values},
            quote=self.quote,
            now=self.now,
        )

    def start(self, bot: Bot | None = None, **values: Any) -> Bot:
        """Start a grid and let it place its ladder."""
        made = bot or self.create(**values)
        services.start_bot(self.user, made.pk, quote=self.quote, now=self.now, hint=no_hint)
        self.settle()
        return self.reread(made)

    def ask(self, bot: Bot, act: str, **terms: Any) -> Bot:
        """Let the owner ask for something, and let the bot carry it out."""
        getattr(services, act)(self.user, bot.pk, now=self.now, hint=no_hint, **terms)
        self.settle()
        return self.reread(bot)

    def reread(self, bot: Bot) -> Bot:
        """Return the bot as it is stored now."""
        return bots_for(self.user).get(pk=bot.pk)

    def view(self, bot: Bot) -> BotView:
        """Return the bot with its state as values."""
        return bot_views([self.reread(bot)])[0]

    def state(self, bot: Bot) -> GridState:
        """Return the state of a grid."""
        state: GridState = self.view(bot).state
        return state

    def config(self, bot: Bot) -> GridConfig:
        """Return the config of a grid."""
        config: GridConfig = self.view(bot).config
        return config

    def total(self, book: Book | None, asset: str) -> Decimal:
        """Return what a book has of an asset, held or not."""
        pots = LedgerAccount.objects.filter(book=book, asset=asset, book__isnull=False)
        return sum((pot.balance or Decimal(0) for pot in pots), Decimal(0)).normalize()


def make_world(
    user: User,
    *,
    now: datetime,
    instrument: Instrument | None = None,
    price: object = 262,
    funds: object = 1_000_000,
    fee: object = "0.0005",
    fee_mode: FeeMode = FeeMode.QUOTE,
    runner: SimulationRunner | None = None,
) -> World:
    """Open an account with money and let the first tick be known."""
    traded = instrument or always_open()
    if runner is None:
        runner = SimulationRunner()
        runner.start_gateway(now)
    account = make_account(user, now=now, asset=traded.quote_asset, fee=fee, fee_mode=fee_mode)
    make_book(account, now=now, funds=funds)
    world = World(user, account, traded, runner, now)
    played_by = {"source": runner.source, "run": runner.run}
    InstrumentSource.objects.update_or_create(instrument=traded, defaults=played_by)
    if traded.pk not in runner.quotes:
        runner.tick(traded.pk, Decimal(str(price)), at=now)
    return world


def no_hint(_bot_id: int) -> None:
    """Stand in for the hint to the workers."""
