"""Rows of every model, for the admin's lists."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import User
from accounts.services import audit
from bots.models import Bot, BotBand, BotCommand, BotEvent
from finbyte_site.tests.security_rows import CANARY, plant_security
from market.models import Instrument, InstrumentSource
from portfolio.models import (
    Alert,
    AlertEvent,
    Book,
    ChargeRates,
    ComplianceEvidence,
    FeeSchedule,
    GatewayShard,
    GttLeg,
    GttTrigger,
    IdempotencyKey,
    KillSwitch,
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    Order,
    OrderEvent,
    OrderPlan,
    Position,
    PositionConversion,
    Postback,
    RateSecond,
    RiskLimit,
    Trade,
    VenueAccount,
    VenueCredentials,
    VenueEvent,
)

ONE = Decimal(1)
CHARGES = (
    *("brokerage", "brokerage_cap", "tax_buy", "tax_sell", "exchange_turnover"),
    *("investor_protection", "sebi", "stamp_buy", "gst"),
)


def plant(number: int, now: datetime) -> None:
    """Make one more row of every model, all of one new user; no service would make them so."""
    user = User.objects.create_user(f"user{number}@example.com", joined_at=now)
    instrument = _instrument(number)
    InstrumentSource.objects.create(instrument=instrument)
    GatewayShard.objects.create(number=100 + number)
    account = VenueAccount.objects.create(
        user=user, name="Paper", mode="PAPER", settlement_asset="INR", created_at=now, shard_id=0
    )
    book = Book.objects.create(
        user=user,
        venue_account=account,
        kind="MANUAL",
        name="Manual",
        quote_asset="INR",
        created_at=now,
    )
    FeeSchedule.objects.create(venue_account=account, maker_rate=0, taker_rate=0, valid_from=now)
    VenueCredentials.objects.create(
        venue_account=account,
        sealed_key=f"{CANARY}-venue",
        hint="1234",
        added_at=now,
        finding="TRADE_ONLY",
        finding_words="It can trade.",
    )
    ComplianceEvidence.objects.create(
        venue_account=account,
        kind="STATIC_ADDRESS",
        reference="read",
        dated_on=now.date(),
        recorded_by=user,
        recorded_at=now,
    )
    ChargeRates.objects.create(
        exchange="NSE",
        segment="INTRADAY",
        valid_from=now,
        source="A circular",
        **dict.fromkeys(CHARGES, 0),
    )
    KillSwitch.objects.create(scope="BOOK", key=book.pk)
    RiskLimit.objects.create(user=user, venue_account=account, book=book, max_order_value=ONE)
    RateSecond.objects.create(venue_account=account, second=number, count=1)
    audit.record(actor=user, kind="test", now=now)
    plant_security(user, number, now)
    _plant_money(book, number, now)
    _plant_orders(book, instrument, now)
    _plant_triggers(book, instrument, now)
    _plant_bot(book, instrument, now)


def _instrument(number: int) -> Instrument:
    return Instrument.objects.create(
        instrument_token=900_000 + number,
        exchange_token=900_000 + number,
        exchange="NSE",
        tradingsymbol=f"TEST{number}",
        display_name=f"TEST{number}",
        kind="EQ",
        segment="NSE",
        base_asset=f"NSE:TEST{number}",
        quote_asset="INR",
        tick_size=Decimal("0.05"),
        lot_size=ONE,
        min_quantity=ONE,
        calendar="NSE",
    )


def _plant_money(book: Book, number: int, now: datetime) -> None:
    account = LedgerAccount.objects.create(book=book, kind="AVAILABLE", asset="INR", balance=0)
    posting = LedgerTransaction.objects.create(ref=f"test:{number}", kind="DEPOSIT", at=now)
    for amount in (ONE, -ONE):
        LedgerEntry.objects.create(transaction=posting, account=account, amount=amount)


def _plant_orders(book: Book, instrument: Instrument, now: datetime) -> None:
    shared: dict[str, Any] = {
        "user": book.user,
        "venue_account": book.venue_account,
        "book": book,
        "instrument": instrument,
        "side": "BUY",
        "quantity": ONE,
        "price": ONE,
    }
    order = Order.objects.create(
        **shared,
        client_order_id=f"fbtest{book.pk}",
        source="CONSOLE",
        order_type="LIMIT",
        time_in_force="DAY",
        fill_model="LAST_TRADE",
        status="OPEN",
        hold_asset="INR",
        created_at=now,
        updated_at=now,
    )
    for sequence in (1, 2):
        OrderEvent.objects.create(
            order=order,
            book=book,
            sequence=sequence,
            kind="ACCEPTED",
            to_status="OPEN",
            at=now,
            hash="0" * 64,
        )
    OrderPlan.objects.create(
        user=book.user,
        book=book,
        entry=order,
        kind="co",
        trigger_price=ONE,
        created_at=now,
        updated_at=now,
    )
    Trade.objects.create(
        **shared,
        order=order,
        venue_trade_id="P1-1",
        trade_date=now.date(),
        fee=0,
        fee_asset="INR",
        liquidity="MAKER",
        exchange_time=now,
        recorded_at=now,
    )
    Position.objects.create(user=book.user, book=book, instrument=instrument, updated_at=now)
    intraday = Book.objects.create(
        user=book.user,
        venue_account=book.venue_account,
        kind="INTRADAY",
        name="Intraday",
        quote_asset="INR",
        created_at=now,
    )
    PositionConversion.objects.create(
        user=book.user,
        instrument=instrument,
        old_book=intraday,
        new_book=book,
        quantity=ONE,
        cost=ONE,
        at=now,
    )
    IdempotencyKey.objects.create(
        user=book.user, key="k", request_hash="h", order=order, created_at=now
    )
    Postback.objects.create(
        app=book.user.api_apps.get(), order=order, sequence=1, created_at=now, next_at=now
    )
    VenueEvent.objects.create(
        venue_account=book.venue_account,
        dedupe_key="k",
        payload={"a": 1},
        fence=1,
        received_at=now,
    )


def _plant_triggers(book: Book, instrument: Instrument, now: datetime) -> None:
    shared: dict[str, Any] = {
        "user": book.user,
        "instrument": instrument,
        "price_run": "SIMULATED",
        "created_at": now,
        "updated_at": now,
    }
    trigger = GttTrigger.objects.create(
        **shared,
        book=book,
        kind="single",
        side="BUY",
        fire_below=ONE,
        last_price=2,
        seen_sequence=1,
        expires_at=now,
    )
    GttLeg.objects.create(trigger=trigger, number=0, quantity=ONE, price=ONE)
    alert = Alert.objects.create(
        **shared, kind="simple", name="Up", operator=">=", constant=ONE, is_true=True
    )
    AlertEvent.objects.create(alert=alert, condition="1 >= 1", prices=[], at=now)


def _plant_bot(book: Book, instrument: Instrument, now: datetime) -> None:
    bot = Bot.objects.create(
        user=book.user,
        venue_account=book.venue_account,
        book=book,
        instrument=instrument,
        kind="spot_grid",
        name="Grid",
        config={"lower": "1"},
        status="RUNNING",
        created_at=now,
        updated_at=now,
    )
    BotBand.objects.create(bot=bot, instrument=instrument, wake_below=ONE)
    BotEvent.objects.create(bot=bot, step_no=1, kind="START", message="started", at=now)
    BotCommand.objects.create(bot=bot, kind="PAUSE", created_at=now)
