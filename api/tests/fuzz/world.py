"""What is there to be hit: a trader's orders, fills, bots, triggers and alerts, really traded."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import redis
from django.utils import timezone

from accounts.models import User
from api import examples
from api.tests.desk import Desk, make_desk
from api.tests.orders import bought, data
from bots.domain.enums import BotStatus
from bots.registry import strategy_of
from bots.selectors import bot_of, bot_views
from market.domain.enums import FillModel
from market.domain.ticks import Quote
from market.models import InstrumentSource
from market.streams import put_ticks
from market.venues.paper import PaperVenue
from portfolio.gateway import Gateway
from portfolio.tests.factories import make_instrument, make_quote

_FRESH_SECONDS = 3
PRICES = {"NSE:ONGC": Decimal(262), "BINANCE:BTCUSDT": Decimal(62_000)}


class Prices:
    """Prices of now, for as long as the run takes."""

    def __init__(self, client: redis.Redis) -> None:
        self._client, self._told = client, 0.0
        self._instruments = {make_instrument(symbol): price for symbol, price in PRICES.items()}
        for each in self._instruments:
            InstrumentSource.objects.get_or_create(instrument=each)
        self.refresh()

    def refresh(self) -> None:
        """Tell the prices again where they are three seconds old."""
        if monotonic() - self._told < _FRESH_SECONDS:
            return
        put_ticks(self._client, self.quotes(timezone.now()))
        self._told = monotonic()

    def quotes(self, now: datetime) -> list[Quote]:
        """Return the prices as they are told."""
        return [
            make_quote(each, price, now=now, fill_model=FillModel.LAST_TRADE)
            for each, price in self._instruments.items()
        ]


@dataclass(frozen=True, slots=True)
class Planted:
    """A trader's program, and the ids that a path may carry, by the name of the path's part."""

    desk: Desk
    ids: dict[str, list[Any]]
    prices: Prices

    @property
    def secrets(self) -> list[str]:
        """Return what no answer may show."""
        return [
            self.desk.opened.access_token,
            self.desk.opened.refresh_token,
            self.desk.made.secret,
        ]

    @property
    def header(self) -> str:
        """Return what the program sends as Authorization."""
        return self.desk.headers["authorization"]


def plant(user: User, client: redis.Redis) -> Planted:
    """Give a user two accounts with money and one thing of each kind, some of them ended."""
    now = timezone.now()
    desk = make_desk(user, now=now)
    prices = Prices(client)
    orders = [bought(desk, price="262"), bought(desk, price="262", product="MIS")]
    orders += [bought(desk, price="255"), bought(desk, "amo", price="250")]
    settle(prices)
    orders.append(bought(desk, price="254", validity="TTL", validity_ttl="1"))
    prices.refresh()
    grid, notice = examples.BOTS[0].value, examples.ALERTS[0].value
    bots = [data(desk.post("/bots", **grid))["bot_id"] for _ in range(8)]
    for bot_id in bots[4:]:
        data(desk.post(f"/bots/{bot_id}/start"))
    for bot_id in bots[5:]:
        _run(user, int(bot_id))
    prices.refresh()
    triggers = [
        data(desk.post("/gtt/triggers", **each.value))["trigger_id"] for each in examples.TRIGGERS
    ]
    alerts = [data(desk.post("/alerts", **notice))["uuid"] for _ in range(6)]
    ids = {"order_id": orders, "name": orders, "bot_id": bots, "trigger_id": triggers}
    token = make_instrument("NSE:ONGC").pk
    return Planted(desk, {**ids, "uuid": alerts, "instrument_token": [token]}, prices)


def _run(user: User, bot_id: int) -> None:
    """Make a started bot one that runs, as if the workers had stepped it."""
    bot = bot_of(user, bot_id)
    view, strategy = bot_views([bot])[0], strategy_of(bot.kind)
    state = strategy.new_state(view.config, bot_ref=f"b{bot.pk}")
    state.status, state.cash, state.started_at = BotStatus.RUNNING, bot.investment, timezone.now()
    bot.state, bot.status = strategy.dump_state(state), BotStatus.RUNNING
    bot.started_at = state.started_at
    bot.save()


def settle(prices: Prices) -> None:
    """Let the paper venue take, fill and refuse whatever waits for it."""
    now = timezone.now()
    gateway = Gateway(PaperVenue(), shard=0, owner="fuzz", on_book_event=lambda _book_id: None)
    gateway.start(now)
    gateway.on_quotes(prices.quotes(now), now)
    while gateway.pump(timezone.now()):
        pass
