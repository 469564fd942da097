"""What one execution report does to one locked order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from market.domain.calendars import IST
from market.domain.enums import OrderStatus
from market.domain.messages import ExecutionReport, ReportKind
from portfolio.domain.account_fees import Deal
from portfolio.domain.changed_terms import changed_texts
from portfolio.domain.fees import ZERO, to_ledger
from portfolio.domain.ledger import FillPlan, FillTerms, PostingKind, plan_fill
from portfolio.domain.order_state import IN_FLIGHT, EventKind, can_happen
from portfolio.domain.positions import apply_trade
from portfolio.services.changes import Changes
from portfolio.services.ledger import plain
from portfolio.services.locking import LockedOrder
from portfolio.services.outcomes import accept, reject
from portfolio.services.positions import Holdings

TradeKey = tuple[int, date, str]


class ReportRefused(ValueError):
    """Put the report aside: it cannot be true of this order."""


def trade_date(report: ExecutionReport) -> date:
    """Return the Indian day of a trade: venues may use a trade id again the next day."""
    return report.exchange_time.astimezone(IST).date()


def trade_key(order: LockedOrder, report: ExecutionReport) -> TradeKey:
    """Return what tells one trade from another."""
    return order.id, trade_date(report), report.venue_trade_id


def apply_to_order(
    changes: Changes,
    order: LockedOrder,
    report: ExecutionReport,
    *,
    known: set[tuple[Any, ...]],
    now: datetime,
) -> None:
    """Apply a report to its order in memory. What the order is past already changes nothing."""
    if order.status in {OrderStatus.READY, OrderStatus.DENIED}:
        raise ReportRefused(f"order {order.id} is {order.status}: it was not sent")
    if _shows_acceptance(order, report):
        accept(changes, order, venue_order_id=report.venue_order_id, at=report.exchange_time)
    match report.kind:
        case ReportKind.TRADE:
            _trade(changes, order, report, known=known, now=now)
        case ReportKind.CANCELLED | ReportKind.EXPIRED | ReportKind.REJECTED:
            _end(changes, order, report)
        case _:
            _ANSWERS[report.kind](changes, order, report)


def _shows_acceptance(order: LockedOrder, report: ExecutionReport) -> bool:
    """Say whether a report proves that the venue took an order that we were not sure of."""
    if order.status is OrderStatus.NOT_AT_VENUE:
        return report.kind not in _ENDS
    return order.status in IN_FLIGHT and report.kind is not ReportKind.REJECTED


_ENDS = {
    ReportKind.CANCELLED: (EventKind.CANCELLED, OrderStatus.CANCELLED),
    ReportKind.EXPIRED: (EventKind.EXPIRED, OrderStatus.EXPIRED),
    ReportKind.REJECTED: (EventKind.REJECTED, OrderStatus.REJECTED),
}


def _end(changes: Changes, order: LockedOrder, report: ExecutionReport) -> None:
    kind, status = _ENDS[report.kind]
    if order.status.is_terminal:
        return
    at = report.exchange_time
    order.pending_change = None
    if kind is EventKind.REJECTED:
        reject(changes, order, code="VENUE_REJECTED", message=report.message, at=at)
        return
    order.status_message = report.message
    detail = {"cumulative": plain(order.filled_quantity), "code": "", "message": report.message}
    changes.record(order, kind, status, at=at, detail=detail)
    changes.set_hold(order, ZERO, at=at)


def _trigger(changes: Changes, order: LockedOrder, report: ExecutionReport) -> None:
    if order.triggered_at is not None or not can_happen(EventKind.TRIGGERED, order.status):
        return
    order.triggered_at = report.exchange_time
    is_waiting = order.status is OrderStatus.TRIGGER_PENDING
    to = OrderStatus.OPEN if is_waiting else order.status
    changes.record(order, EventKind.TRIGGERED, to, at=report.exchange_time)


# ------------------------------------------------------------------ changes and refusals


def _confirm_change(changes: Changes, order: LockedOrder, report: ExecutionReport) -> None:
    if not can_happen(EventKind.MODIFIED, order.status):
        return
    before, terms = order.terms, order.asked_terms
    quantity = max(report.quantity or terms.quantity, order.filled_quantity)
    price = None if terms.price is None else report.price or terms.price
    trigger = None if terms.trigger_price is None else report.trigger_price or terms.trigger_price
    order.take_terms(replace(terms, quantity=quantity, price=price, trigger_price=trigger))
    order.pending_change = None
    told = changed_texts(before, order.terms)
    detail = {**told, "cumulative": plain(order.filled_quantity)}
    at = report.exchange_time
    changes.record(order, EventKind.MODIFIED, _after_change(order), at=at, detail=detail)
    changes.set_hold(order, order.full_hold, at=at)


def _after_change(order: LockedOrder) -> OrderStatus:
    if order.status is not OrderStatus.MODIFY_PENDING:
        return order.status
    return order.rests_as if order.remaining else OrderStatus.FILLED


def _refuse_change(changes: Changes, order: LockedOrder, report: ExecutionReport) -> None:
    if order.pending_change is None or not can_happen(EventKind.MODIFY_REJECTED, order.status):
        return
    order.pending_change = None
    order.status_message = report.message
    to = order.rests_as if order.status is OrderStatus.MODIFY_PENDING else order.status
    at, detail = report.exchange_time, {"message": report.message}
    changes.record(order, EventKind.MODIFY_REJECTED, to, at=at, detail=detail)
    changes.set_hold(order, order.full_hold, at=at)


def _refuse_cancel(changes: Changes, order: LockedOrder, report: ExecutionReport) -> None:
    if not can_happen(EventKind.CANCEL_REJECTED, order.status):
        return
    order.cancel_requested_at = None
    order.status_message = report.message
    at, detail = report.exchange_time, {"message": report.message}
    changes.record(order, EventKind.CANCEL_REJECTED, order.rests_as, at=at, detail=detail)


_ANSWERS: dict[ReportKind, Callable[[Changes, LockedOrder, ExecutionReport], None]] = {
    ReportKind.TRIGGERED: _trigger,
    ReportKind.MODIFIED: _confirm_change,
    ReportKind.MODIFY_REJECTED: _refuse_change,
    ReportKind.CANCEL_REJECTED: _refuse_cancel,
}


# ------------------------------------------------------------------ trades


def _trade(
    changes: Changes,
    order: LockedOrder,
    report: ExecutionReport,
    *,
    known: set[tuple[Any, ...]],
    now: datetime,
) -> None:
    if trade_key(order, report) in known:
        return
    price = _checked_price(order, report)
    if report.quantity > order.remaining and order.pending_change is not None:
        # The venue trades by the new terms already; its word on the change comes later.
        _confirm_change(changes, order, _without_terms(report))
    if report.quantity > order.remaining:
        raise ReportRefused(
            f"overfill: {report.quantity} traded, {plain(order.remaining)} of {order.id} left"
        )
    _trigger(changes, order, report)
    plan = _book_money(changes, order, report, price=price)
    realised = _book_units(changes, order, report, price=price, plan=plan, now=now)
    _count_trade(changes, order, report, price=price, plan=plan)
    changes.add_trade(_trade_row(order, report, plan, realised=realised, now=now))


def _without_terms(report: ExecutionReport) -> ExecutionReport:
    """Return a word on the change that names no terms: those asked for count."""
    return ExecutionReport(
        kind=ReportKind.MODIFIED,
        dedupe_key=report.dedupe_key,
        venue_account_id=report.venue_account_id,
        client_order_id=report.client_order_id,
        venue_order_id=report.venue_order_id,
        exchange_time=report.exchange_time,
    )


def _checked_price(order: LockedOrder, report: ExecutionReport) -> Decimal:
    if not report.venue_trade_id or len(report.venue_trade_id) > 60:
        raise ReportRefused(f"a trade of order {order.id} has no usable id")
    if report.price is None or report.price <= 0 or report.quantity <= 0:
        raise ReportRefused(
            f"a trade of order {order.id}: {report.quantity} at {report.price} is not possible"
        )
    if not can_happen(EventKind.TRADE, order.status) and order.status is not (
        OrderStatus.TRIGGER_PENDING
    ):
        raise ReportRefused(f"order {order.id} is {order.status}: it cannot trade any more")
    return report.price


def _book_money(
    changes: Changes, order: LockedOrder, report: ExecutionReport, *, price: Decimal
) -> FillPlan:
    """Post the entries of a trade; raises `InsufficientFunds` when nobody can pay for it."""
    fees = changes.books[order.book_id].fees
    before = order.filled_quantity
    order.filled_quantity = before + report.quantity
    # A fill of all there was ends the order, whatever change was asked for: nothing stays held.
    still_needs = order.full_hold if order.remaining else ZERO
    hold_after = min(still_needs, order.hold_remaining)
    order.filled_quantity = before
    terms = FillTerms(
        book_id=order.book_id,
        side=order.side,
        base_asset=order.base_asset,
        quote_asset=order.quote_asset,
        quantity=report.quantity,
        value=to_ledger(report.quantity * price),
        fee=fees.of_fill(
            Deal(order.side, order.exchange, order.product, report.exchange_time),
            report.quantity,
            price,
            liquidity=report.liquidity,
            before=order.filled_value,
        ),
        held=order.hold_remaining,
        hold_after=hold_after,
    )
    available = changes.postings.available(order.book_id, order.quote_asset)
    plan = plan_fill(terms, available=available)
    day = trade_date(report).isoformat()
    ref = f"trade:{order.id}:{day}:{report.venue_trade_id}"
    changes.postings.post(ref, PostingKind.TRADE, plan.entries, at=report.exchange_time)
    return plan


def _book_units(
    changes: Changes,
    order: LockedOrder,
    report: ExecutionReport,
    *,
    price: Decimal,
    plan: FillPlan,
    now: datetime,
) -> Decimal:
    holdings = changes.holdings
    if holdings is None:
        holdings = changes.holdings = Holdings([(order.book_id, order.instrument_id)])
    before = holdings.get(order.book_id, order.instrument_id)
    after, realised = apply_trade(before, order.side, report.quantity, price=price, fee=plan.fee)
    holdings.put(changes.books[order.book_id], order.instrument_id, after, at=now)
    return realised


def _count_trade(
    changes: Changes,
    order: LockedOrder,
    report: ExecutionReport,
    *,
    price: Decimal,
    plan: FillPlan,
) -> None:
    order.filled_quantity += report.quantity
    order.filled_value += to_ledger(report.quantity * price)
    order.hold_remaining = plan.hold_after
    is_complete = not order.remaining
    to = order.status
    if is_complete and not order.status.is_terminal:
        to = OrderStatus.FILLED
        order.pending_change = None
    detail = {
        "trade": report.venue_trade_id,
        "quantity": plain(report.quantity),
        "price": plain(price),
        "fee": plain(plan.fee.amount),
        "fee_asset": fee_asset(order, plan),
        "cumulative": plain(order.filled_quantity),
        "complete": is_complete,
        "liquidity": report.liquidity,
    }
    changes.record(order, EventKind.TRADE, to, at=report.exchange_time, detail=detail)


def fee_asset(order: LockedOrder, plan: FillPlan) -> str:
    """Return the asset that the fee of a fill was paid in."""
    return order.base_asset if plan.fee.base else order.quote_asset


def _trade_row(
    order: LockedOrder,
    report: ExecutionReport,
    plan: FillPlan,
    *,
    realised: Decimal,
    now: datetime,
) -> dict[str, Any]:
    return {
        "user_id": order.user_id,
        "venue_account_id": order.venue_account_id,
        "book_id": order.book_id,
        "order_id": order.id,
        "instrument_id": order.instrument_id,
        "venue_trade_id": report.venue_trade_id,
        "trade_date": trade_date(report),
        "side": order.side,
        "quantity": report.quantity,
        "price": report.price,
        "fee": plan.fee.amount,
        "fee_asset": fee_asset(order, plan),
        "liquidity": report.liquidity,
        "realised": realised,
        "exchange_time": report.exchange_time,
        "recorded_at": now,
    }
