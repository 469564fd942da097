"""Stages for tests of console pages: prices of now, accounts with money, orders and bots."""

from datetime import datetime
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import redis
from django.test import Client
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.domain.session_rules import SessionStamp
from accounts.models import User
from accounts.session_store import SessionStore
from bots.domain.enums import BotStatus
from bots.models import Bot
from bots.registry import strategy_of
from bots.selectors import bot_views
from bots.services.bots import create_bot, start_bot
from market.domain.enums import FillModel, Side
from market.domain.ticks import Quote
from market.models import Instrument, InstrumentSource
from market.streams import put_ticks
from portfolio.models import Book, Order, Trade, VenueAccount
from portfolio.tests.factories import (
    make_account,
    make_book,
    make_instrument,
    make_quote,
    make_request,
    place,
)

GRID = {"lower": "240", "upper": "280", "grids": "8", "investment": "50000"}


def client_of(
    user: User, *, checks_csrf: bool = False, factor_at: datetime | None = None
) -> Client:
    """Return a browser in which the user is logged in; `factor_at`: with a second factor, then."""
    client = Client(enforce_csrf_checks=checks_csrf)
    stamp_client(client, user, factor_at=factor_at)
    return client


def stamp_client(
    client: Client, user: User, *, factor_at: datetime | None = None, **stamp: Any
) -> SessionStamp:
    """Log the user in as the log-in page does, with the stamp that it would write."""
    client.force_login(user)
    session = cast("SessionStore", client.session)
    started = stamp.pop("started_at", timezone.now())
    kept = SessionStamp(
        **{
            "public_id": str(uuid4()),
            "started_at": started,
            "seen_at": started,
            "rule": SecondFactorRule(user.second_factor_rule),
            "address": "127.0.0.1",
            "browser": "A program",
            "factor_at": factor_at,
            "password_at": started,
            **stamp,
        }
    )
    session.stamp = kept
    session.save()
    return kept


def put_price(client: redis.Redis, instrument: Instrument, price: object) -> Quote:
    """Make a price known now, and the instrument one with a source."""
    quote = make_quote(instrument, price, now=timezone.now(), fill_model=FillModel.LAST_TRADE)
    put_ticks(client, [quote])
    InstrumentSource.objects.get_or_create(instrument=instrument)
    return quote


class Stage:
    """One user with a funded rupee account, and ONGC at 262."""

    def __init__(self, user: User, client: redis.Redis, *, funds: object = 1_000_000) -> None:
        self.user = user
        self.now = timezone.now()
        self.instrument = make_instrument("NSE:ONGC")
        self.quote = put_price(client, self.instrument, 262)
        self.account: VenueAccount = make_account(user, now=self.now)
        self.book: Book = make_book(self.account, now=self.now, funds=funds)
        self.client = client_of(user)

    def order(self, *, price: object = 250, quantity: object = 10) -> Order:
        """Place a resting order by hand."""
        request = make_request(self.instrument, quantity=quantity, price=price)
        placed = place(self.book, request, last=262, now=self.now)[0]
        return Order.objects.get(pk=placed.order_id)

    def orders(self, count: int) -> None:
        """Place many small orders."""
        requests = [
            make_request(self.instrument, quantity=1, price=Decimal(200) + index % 100)
            for index in range(count)
        ]
        place(self.book, *requests, last=262, now=self.now)

    def bot(self, **values: Any) -> Bot:
        """Create and start a grid; the workers have not stepped it yet."""
        typed = {**GRID, "symbol": self.instrument.symbol, **values}
        bot = create_bot(
            self.user,
            self.account,
            kind="spot_grid",
            name=typed.pop("name", "Grid"),
            values=typed,
            quote=self.quote,
            now=self.now,
        )
        return start_bot(
            self.user, bot.pk, quote=self.quote, now=self.now, hint=lambda _bot_id: None
        )

    def running_bot(self, **values: Any) -> Bot:
        """Return a grid that stands as running, without orders at a venue."""
        bot = self.bot(**values)
        view = bot_views([bot])[0]
        strategy = strategy_of(bot.kind)
        state = strategy.new_state(view.config, bot_ref=f"b{bot.pk}")
        state.status, state.cash = BotStatus.RUNNING, Decimal(50_000)
        state.started_at = self.now
        bot.state = strategy.dump_state(state)
        bot.status, bot.started_at = BotStatus.RUNNING, self.now
        bot.save()
        return bot

    def bots(self, count: int) -> None:
        """Make many running grids out of one."""
        first = self.running_bot()
        for index in range(count - 1):
            first.pk = None
            first.name = f"Grid {index}"
            first.book = make_book(self.account, now=self.now, kind=Book.Kind.BOT)
            first.save(force_insert=True)

    def fills(self, book: Book, count: int, *, at: datetime | None = None) -> None:
        """Make many trades of one order in a book."""
        if not count:
            return
        order = self.order()
        Trade.objects.bulk_create(
            Trade(
                user=self.user,
                venue_account=self.account,
                book=book,
                order=order,
                instrument=self.instrument,
                venue_trade_id=f"T{index}",
                trade_date=self.now.date(),
                side=Side.BUY,
                quantity=1,
                price=262,
                fee=Decimal("0.131"),
                fee_asset="INR",
                liquidity="MAKER",
                exchange_time=at or self.now,
                recorded_at=self.now,
            )
            for index in range(count)
        )
