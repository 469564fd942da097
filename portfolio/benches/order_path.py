"""How fast orders are placed and filled, next to a plain ORM insert in the same run."""

import gc
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from secrets import token_hex
from statistics import median

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
# Budgets. An order writes eight rows: it may take as long as eight plain inserts, and a little. A
# ladder may take 150 ms, or where the disk is slow as long as 60 inserts.
ROWS = 8
SLACK = 1.25
LADDER_MS = 150.0
LADDER_INSERTS = 60
_PRICE = Decimal(260)


def main() -> int:
    """Print the figures; fail when the order path misses its budget."""
    figures = measure(now=timezone.now())
    for name, value in figures.items():
        sys.stdout.write(f"{name:32} {value:,.2f}\n")
    longest = max(LADDER_MS, LADDER_INSERTS * figures["orm insert, ms"])
    is_fast = figures["order, ms"] <= ROWS * SLACK * figures["orm insert, ms"]
    return 0 if is_fast and figures["ladder of 200, ms"] <= longest else 1


def measure(*, now: datetime) -> dict[str, float]:
    """Place and fill on a new book; return the figures by name."""
    book, account = _new_book(now)
    spec = instrument_by_symbol("NSE:ONGC").spec
    quote = _quote(spec, now)
    placed: list[PlacedOrder] = []
    # As the processes do once they are up.
    gc.freeze()
    figures: dict[str, float] = {}
    _time(figures, "orm insert", lambda: _orm_insert(account, now))
    _time(figures, "order", lambda: placed.append(_place(book, spec, quote, now=now)))
    figures["orders/s"] = 1000 / figures["order, ms"]
    started = time.perf_counter()
    _place_ladder(book, spec, quote, now=now)
    figures["ladder of 200, ms"] = (time.perf_counter() - started) * 1000
    _send_all(now)
    figures["fills/s, one by one"] = _fill_rate(placed, account, batch=1, now=now)
    figures["fills/s, in batches of 50"] = _fill_rate(placed, account, batch=BATCH, now=now)
    return figures


def _time(figures: dict[str, float], name: str, work: Callable[[], object]) -> None:
    """Do `work` many times, one after another; note the median and the Python time of one."""
    times = []
    cpu = time.process_time()
    for _ in range(ORDERS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    figures[f"{name}, ms"] = median(times) * 1000
    figures[f"{name}, ms of Python"] = (time.process_time() - cpu) / ORDERS * 1000


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


if __name__ == "__main__":
    sys.exit(main())
