"""How fast orders are placed and filled, next to a plain ORM insert in the same run.

Run with `manage.py shell -c "from portfolio.benches.order_path import main; main()"` on a
migrated database that may be thrown away: what it writes stays there.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from secrets import token_hex

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from market.domain.enums import FillModel, OrderType, Side, SourceKind, TimeInForce
from market.domain.instruments import InstrumentSpec
from market.domain.messages import ExecutionReport, Outcome, OutcomeKind, ReportKind
from market.domain.ticks import Quote
from market.selectors import instrument_by_symbol
from market.services.instruments import seed_instruments
from portfolio.models import Book, GatewayShard, IdempotencyKey, VenueAccount
from portfolio.services.accounts import manual_book, open_venue_account
from portfolio.services.executions import apply_inbox, record_outcomes, store_reports
from portfolio.services.gateway import claim_ready
from portfolio.services.ledger import deposit
from portfolio.services.orders import OrderRequest, PlacedOrder, place_order, place_orders

ORDERS = 500
LADDER = 200
BATCH = 50
_PRICE = Decimal(260)


def main() -> dict[str, float]:
    """Measure, print and return the figures."""
    now = timezone.now()
    book, account = _new_book(now)
    spec = instrument_by_symbol("NSE:ONGC").spec
    quote = _quote(spec, now)
    figures = {"orm_inserts_per_s": _rate(lambda: _orm_insert(account, now))}
    placed: list[PlacedOrder] = []
    figures["orders_per_s"] = _rate(lambda: placed.append(_place(book, spec, quote, now=now)))
    started = time.perf_counter()
    _place_ladder(book, spec, quote, now=now)
    figures["ladder_of_200_ms"] = (time.perf_counter() - started) * 1000
    _send_all(now)
    figures["fills_per_s"] = _fill_rate(placed, account, batch=1, now=now)
    figures["fills_per_s_in_batches"] = _fill_rate(placed, account, batch=BATCH, now=now)
    figures["order_to_orm_insert"] = figures["orders_per_s"] / figures["orm_inserts_per_s"]
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))
    return figures


def _new_book(now: datetime) -> tuple[Book, VenueAccount]:
    seed_instruments()
    user = User.objects.create_user(f"bench-{token_hex(4)}@example.com", joined_at=now)
    account = open_venue_account(user, name="Bench", settlement_asset="INR", now=now)
    book = manual_book(account)
    deposit(book.pk, asset="INR", amount=Decimal(10) ** 9, ref=f"bench:{book.pk}", now=now)
    return book, account


def _quote(spec: InstrumentSpec, now: datetime) -> Quote:
    return Quote(
        instrument_token=spec.instrument_token,
        source=SourceKind.SIMULATED,
        run="bench",
        fill_model=FillModel.LAST_TRADE,
        sequence=1,
        last_price=_PRICE,
        last_quantity=Decimal(1),
        volume=Decimal(1),
        open=_PRICE,
        high=_PRICE,
        low=_PRICE,
        previous_close=_PRICE,
        exchange_time=now,
        received_at=now,
        depth=None,
    )


def _request(spec: InstrumentSpec, *, slot_ref: str | None = None) -> OrderRequest:
    return OrderRequest(
        instrument=spec,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(10),
        time_in_force=TimeInForce.GTC,
        price=_PRICE,
        slot_ref=slot_ref,
    )


def _rate(work: Callable[[], object]) -> float:
    """Return how often per second `work` can be done, one after another."""
    started = time.perf_counter()
    for _ in range(ORDERS):
        work()
    return ORDERS / (time.perf_counter() - started)


def _orm_insert(account: VenueAccount, now: datetime) -> None:
    """Do the least that a web application does: one row, one transaction, by the ORM."""
    with transaction.atomic():
        IdempotencyKey.objects.create(
            user_id=account.user_id, key=token_hex(16), request_hash="", created_at=now
        )


def _place(book: Book, spec: InstrumentSpec, quote: Quote, *, now: datetime) -> PlacedOrder:
    with transaction.atomic(durable=True):
        return place_order(book.pk, _request(spec), quote=quote, now=now, enqueue=_nothing)


def _place_ladder(book: Book, spec: InstrumentSpec, quote: Quote, *, now: datetime) -> None:
    requests = [_request(spec, slot_ref=f"b1-{rung}-B-{rung}") for rung in range(LADDER)]
    quotes = {spec.instrument_token: quote}
    with transaction.atomic(durable=True):
        place_orders(book.pk, requests, quotes=quotes, now=now, enqueue=_nothing)


def _nothing() -> None:
    """Stand in for the hint to the gateway."""


def _send_all(now: datetime) -> None:
    """Claim and acknowledge everything, as the gateway does, in its batches."""
    shard = GatewayShard.objects.get(number=0)
    while tickets := claim_ready(0, fence=shard.fence, now=now).tickets:
        outcomes = [
            Outcome(ticket.client_order_id, OutcomeKind.ACCEPTED, f"V{ticket.client_order_id}")
            for ticket in tickets
        ]
        record_outcomes(outcomes, shard=0, fence=shard.fence, now=now)


def _fill_rate(
    placed: list[PlacedOrder], account: VenueAccount, *, batch: int, now: datetime
) -> float:
    """Return fills per second: stored in the inbox, applied to book, ledger and position."""
    fence = GatewayShard.objects.get(number=0).fence
    reports = [_fill(order, account, f"{batch}-{order.order_id}", now=now) for order in placed]
    started = time.perf_counter()
    for first in range(0, len(reports), batch):
        store_reports(reports[first : first + batch], fence=fence, shard=0, now=now)
        apply_inbox(batch, shard=0, fence=fence, now=now)
    return len(reports) / (time.perf_counter() - started)


def _fill(
    order: PlacedOrder, account: VenueAccount, trade_id: str, *, now: datetime
) -> ExecutionReport:
    return ExecutionReport(
        kind=ReportKind.TRADE,
        dedupe_key=trade_id,
        venue_account_id=account.pk,
        client_order_id=order.client_order_id,
        venue_order_id=f"V{order.client_order_id}",
        exchange_time=now,
        venue_trade_id=trade_id,
        quantity=Decimal(5),
        price=_PRICE,
    )
