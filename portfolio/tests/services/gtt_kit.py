"""A desk for tests of triggers and alerts: prices come in as the feed brings them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis
from django.db import transaction

from accounts.models import User
from bots.runtime.wakeups import wake_pass
from market.domain.enums import Product, Side, SourceKind
from market.domain.ticks import Quote
from market.models import Instrument
from market.streams import put_ticks
from portfolio.domain.gtt import GttKind
from portfolio.models import Book, GttLeg, GttTrigger
from portfolio.services.gtt import GttTerms, LegTerms, create_trigger
from portfolio.services.gtt_placing import place_trigger
from portfolio.tests.factories import give, make_account, make_book, make_instrument, make_quote

SIMULATED = SourceKind.SIMULATED


@dataclass
class Market:
    """Prices of instruments on Redis, one tick after another, and the passes that read them."""

    client: redis.Redis
    now: datetime
    quotes: dict[int, Quote] = field(default_factory=dict)
    mails: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def tick(
        self, instrument: Instrument, *prices: object, source: SourceKind = SIMULATED
    ) -> Quote:
        """Let prices come in, one after the other; return the newest quote."""
        for price in prices:
            before = self.quotes.get(instrument.pk)
            quote = make_quote(instrument, price, now=self.now, source=source)
            sequence = 1 if before is None else before.sequence + 1
            self.quotes[instrument.pk] = replace(quote, sequence=sequence)
            put_ticks(self.client, [self.quotes[instrument.pk]])
        return self.quotes[instrument.pk]

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    def look(self) -> int:
        """Run a wake-up pass; return how many triggers and alerts have fired."""
        return wake_pass(self.client, now=self.now, hint=lambda _bots: None)

    def notify(self, user_id: int, kind: str, values: dict[str, str]) -> None:
        """Take a mail."""
        self.mails.append((user_id, kind, values))

    def enqueue(self) -> None:
        """Take a hint to the gateway."""
        self.hints.append("gateway")

    def place(self, trigger: GttTrigger, quote: Quote | None = None) -> bool:
        """Place what a trigger that has fired is to place."""
        with transaction.atomic():
            return place_trigger(
                trigger.pk,
                quote=quote or self.quotes.get(trigger.instrument_id),
                now=self.now,
                enqueue=self.enqueue,
                notify=self.notify,
            )


@dataclass
class GttDesk:
    """A user with money and ONGC shares, who sets triggers at a market price of 260."""

    user: User
    book: Book
    ongc: Instrument
    market: Market

    def set(
        self,
        *values: object,
        side: Side = Side.SELL,
        seen: object = 260,
        prices: tuple[object, ...] = (),
        quantity: object = 10,
        **terms: Any,
    ) -> GttTrigger:
        """Set a trigger at the newest quote."""
        wanted = terms_of(
            terms.pop("instrument", self.ongc),
            *values,
            side=side,
            seen=seen,
            prices=prices,
            quantity=quantity,
        )
        with transaction.atomic():
            return create_trigger(
                self.user,
                wanted,
                quote=terms.pop("quote", self.market.quotes.get(wanted.instrument.pk)),
                api_app_id=None,
                now=self.market.now,
            )


def terms_of(
    instrument: Instrument,
    *values: object,
    side: Side = Side.SELL,
    seen: object = 260,
    prices: tuple[object, ...] = (),
    quantity: object = 10,
) -> GttTerms:
    """Return terms; the limits are the trigger values unless prices are given."""
    levels = [Decimal(str(value)) for value in values]
    limits = [Decimal(str(price)) for price in prices] or levels
    return GttTerms(
        kind=GttKind.TWO_LEG if len(levels) == 2 else GttKind.SINGLE,
        instrument=instrument,
        side=side,
        product=Product.CNC,
        values=levels,
        seen_price=Decimal(str(seen)),
        legs=[LegTerms(Decimal(str(quantity)), limit) for limit in limits],
    )


def make_gtt_desk(user: User, client: redis.Redis, *, now: datetime) -> GttDesk:
    """Give a user an account, shares, and a market at 260 that one pass has looked at."""
    ongc = make_instrument()
    book = make_book(make_account(user, now=now), now=now, funds=100_000)
    give(book, ongc.base_asset, 100, now=now)
    market = Market(client, now)
    market.tick(ongc, 260)
    market.look()
    return GttDesk(user, book, ongc, market)


def fired_leg(trigger: GttTrigger) -> tuple[int, Decimal] | None:
    """Return number and price of the leg that has fired."""
    leg = GttLeg.objects.filter(trigger=trigger, met_price__isnull=False).first()
    return None if leg is None or leg.met_price is None else (leg.number, leg.met_price)
