"""Reports: each exactly once, in any order, exact numbers; what cannot be is a dead letter."""

# Decimals are compared with plain numbers on purpose.
# mypy: disable-error-code="comparison-overlap"

from dataclasses import replace
from datetime import timedelta

import pytest

from market.domain.enums import FeeMode, Liquidity, OrderStatus, Side
from market.domain.messages import OutcomeKind, ReportKind
from portfolio.exceptions import StaleFence
from portfolio.models import Book, Order, OrderEvent, Position, Trade, VenueEvent
from portfolio.selectors.orders import book_events_after
from portfolio.services.executions import (
    apply_inbox,
    apply_report,
    mark_not_at_venue,
    record_outcomes,
    store_payload,
    store_reports,
)
from portfolio.services.invariants import check_invariants
from portfolio.services.orders import cancel_order, modify_order
from portfolio.tests.factories import (
    SHARD,
    balances,
    fill,
    give,
    make_account,
    make_book,
    make_instrument,
    make_outcome,
    make_report,
    make_request,
    mark_sending,
    no_hint,
    number,
    place,
    send,
    trade_now,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ongc(db):
    return make_instrument("NSE:ONGC")


@pytest.fixture
def book(alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=100_000)


@pytest.fixture
def opened(book, ongc, now):
    """Return the id of a resting buy of 24 at 260."""
    placed = place(book, make_request(ongc, quantity=24, price=260), last=262, now=now)[0]
    send(placed.order_id, now=now)
    return placed.order_id


@pytest.fixture
def broken(db):
    """Return the names of the invariants that a test breaks on purpose."""
    return set()


@pytest.fixture(autouse=True)
def _invariants_hold(broken, now):
    yield
    assert {violation.invariant for violation in check_invariants(now=now)} == broken


@pytest.fixture
def _i4_is_broken(broken):
    broken.add("I4")


def kinds(order_id):
    events = OrderEvent.objects.filter(order=order_id).order_by("sequence")
    return list(events.values_list("kind", flat=True))


def test_a_partial_fill_then_the_rest(opened, book, now):
    fill(opened, 4, 260, now=now)
    order = Order.objects.get(pk=opened)
    assert (order.status, order.filled_quantity, order.filled_value) == ("OPEN", 4, 1040)
    assert order.hold_remaining == number("5202.6")
    fill(opened, 20, 259, now=now)
    order.refresh_from_db()
    assert (order.status, order.filled_quantity, order.hold_remaining) == ("FILLED", 24, 0)
    # 100,000 - 4 x 260 - 20 x 259, fees of 0.05 %.
    assert balances(book) == {
        ("AVAILABLE", "INR"): number("93776.89"),
        ("AVAILABLE", "NSE:ONGC"): number(24),
    }
    position = Position.objects.get()
    assert (position.quantity, position.cost, position.fees_quote) == (24, 6220, number("3.11"))
    assert kinds(opened) == ["CREATED", "SENDING", "ACCEPTED", "TRADE", "TRADE"]


def test_a_sale_realises_against_its_share_of_the_cost(book, ongc, now):
    trade_now(book, ongc, quantity=10, price=250, now=now)
    trade_now(book, ongc, quantity=10, price=260, now=now)
    trade_now(book, ongc, Side.SELL, quantity=5, price=270, now=now)
    position = Position.objects.get()
    assert (position.quantity, position.cost, position.realised) == (15, 3825, 75)
    assert Trade.objects.order_by("-pk")[0].realised == 75


def test_a_buy_in_received_mode_gets_less_units(alice, ongc, now):
    account = make_account(alice, now=now, fee="0.001", fee_mode=FeeMode.RECEIVED)
    book = make_book(account, now=now, funds=10_000)
    trade_now(book, ongc, quantity=10, price=260, now=now)
    assert balances(book)["AVAILABLE", "NSE:ONGC"] == number("9.99")
    assert balances(book)["AVAILABLE", "INR"] == 7400
    trade = Trade.objects.get()
    assert (trade.fee, trade.fee_asset) == (number("0.01"), "NSE:ONGC")
    position = Position.objects.get()
    assert (position.quantity, position.cost, position.fees_base) == (
        number("9.99"), 2600, number("0.01"),
    )  # fmt: skip


def test_taker_and_maker_pay_their_own_rate(alice, ongc, now):
    account = make_account(alice, now=now)
    account.fee_schedules.update(maker_rate="0.0002", taker_rate="0.0006")
    book = make_book(account, now=now, funds=10_000)
    placed = place(book, make_request(ongc, quantity=10), last=260, now=now)[0]
    assert Order.objects.get().hold_remaining == number("2601.56")
    send(placed.order_id, now=now)
    for liquidity in (Liquidity.MAKER, Liquidity.TAKER):
        report = make_report(placed.order_id, now=now, quantity=5, price=260, liquidity=liquidity)
        apply_report(report, now=now)
    assert [trade.fee for trade in Trade.objects.order_by("pk")] == [
        number("0.26"), number("0.78"),
    ]  # fmt: skip


def test_the_same_report_again_changes_nothing(opened, book, now):
    report = make_report(opened, now=now, quantity=4, price=260)
    assert apply_report(report, now=now) is not None
    before = balances(book)
    assert apply_report(report, now=now) is None
    # The same trade under another key of the inbox.
    assert apply_report(replace(report, dedupe_key="other"), now=now) is not None
    assert balances(book) == before
    assert Trade.objects.count() == 1
    assert Order.objects.get().filled_quantity == 4


def test_a_fill_before_the_ack_is_an_acceptance(book, ongc, now):
    placed = place(book, make_request(ongc, quantity=10), last=260, now=now)[0]
    mark_sending(placed.order_id, now=now)
    fill(placed.order_id, 10, 260, now=now)
    assert kinds(placed.order_id) == ["CREATED", "SENDING", "ACCEPTED", "TRADE"]
    outcome = make_outcome(placed.order_id, OutcomeKind.ACCEPTED)
    heard = record_outcomes([outcome], shard=SHARD, fence=0, now=now)
    assert heard == []
    assert Order.objects.get().status == OrderStatus.FILLED


def test_a_fill_after_the_cancel_was_asked_counts(opened, alice, book, now):
    assert cancel_order(alice, opened, now=now, enqueue=no_hint).status == "CANCEL_PENDING"
    fill(opened, 4, 260, now=now)
    end = make_report(opened, ReportKind.CANCELLED, now=now, cumulative_quantity=4)
    apply_report(end, now=now)
    order = Order.objects.get()
    assert (order.status, order.filled_quantity, order.hold_remaining) == ("CANCELLED", 4, 0)
    assert ("HELD", "INR") not in balances(book)


def test_the_end_waits_for_trades_that_it_counts(opened, now):
    end = make_report(opened, ReportKind.CANCELLED, now=now, cumulative_quantity=4)
    assert apply_report(end, now=now) is None
    fill(opened, 4, 260, now=now)
    assert [each.kind for each in apply_inbox(10, shard=SHARD, fence=0, now=now)] == ["CANCELLED"]
    assert kinds(opened)[-2:] == ["TRADE", "CANCELLED"]


def test_the_end_does_not_wait_for_ever_and_a_late_trade_is_booked(opened, book, now):
    end = make_report(opened, ReportKind.CANCELLED, now=now, cumulative_quantity=4)
    apply_report(end, now=now)
    later = now + timedelta(seconds=60)
    assert len(apply_inbox(10, shard=SHARD, fence=0, now=later)) == 1
    fill(opened, 4, 260, now=later)
    order = Order.objects.get()
    assert (order.status, order.filled_quantity, order.hold_remaining) == ("CANCELLED", 4, 0)
    assert balances(book)["AVAILABLE", "INR"] == number("98959.48")


@pytest.mark.usefixtures("_i4_is_broken")
def test_an_overfill_is_a_dead_letter_and_the_stream_goes_on(opened, now):
    wrong = make_report(opened, now=now, quantity=25, price=260)
    right = make_report(opened, now=now, quantity=24, price=260)
    store_reports([wrong, right], fence=0, shard=SHARD, now=now)
    applied = apply_inbox(10, shard=SHARD, fence=0, now=now)
    assert len(applied) == 1
    assert Order.objects.get().status == OrderStatus.FILLED
    dead = VenueEvent.objects.exclude(error="").get()
    assert "overfill" in dead.error
    assert dead.applied_at == now
    assert apply_inbox(10, shard=SHARD, fence=0, now=now) == []


@pytest.mark.usefixtures("_i4_is_broken")
@pytest.mark.parametrize(
    "values",
    [{"quantity": 0}, {"quantity": -1}, {"price": 0}, {"price": None}, {"venue_trade_id": ""}],
)
def test_an_impossible_trade_is_a_dead_letter(opened, now, values):
    report = make_report(opened, now=now, **{"quantity": 1, "price": 260, **values})
    assert apply_report(report, now=now) is None
    assert VenueEvent.objects.get().error != ""
    assert Trade.objects.count() == 0


@pytest.mark.parametrize("payload", ["<html>", "{", '{"kind": "TRADE"}', "[1]", "\x00\ud800", 7])
def test_garbage_is_a_dead_letter(opened, book, now, payload):
    store_payload(book.venue_account_id, payload, fence=0, shard=SHARD, now=now)
    good = make_report(opened, now=now, quantity=1, price=260)
    store_reports([good], fence=0, shard=SHARD, now=now)
    assert len(apply_inbox(10, shard=SHARD, fence=0, now=now)) == 1
    assert VenueEvent.objects.exclude(error="").count() == 1


def test_a_report_of_an_unknown_order_or_another_account_is_a_dead_letter(opened, bob, now):
    foreign = make_account(bob, now=now)
    report = make_report(opened, now=now, quantity=1, price=260)
    for wrong in (
        replace(report, client_order_id="fbnobody"),
        replace(report, venue_account_id=foreign.pk, dedupe_key="x"),
    ):
        assert apply_report(wrong, now=now) is None
    assert VenueEvent.objects.exclude(error="").count() == 2
    assert Trade.objects.count() == 0


@pytest.mark.usefixtures("_i4_is_broken")
def test_an_order_that_was_not_sent_cannot_trade(book, ongc, now):
    placed = place(book, make_request(ongc), last=260, now=now)[0]
    fill(placed.order_id, 1, 260, now=now)
    assert "not sent" in VenueEvent.objects.get().error
    assert Order.objects.get().status == OrderStatus.READY


def test_reports_are_stored_once_and_only_with_the_fence(opened, now):
    report = make_report(opened, now=now, quantity=1, price=260)
    assert store_reports([report, report], fence=0, shard=SHARD, now=now) == 1
    assert store_reports([report], fence=0, shard=SHARD, now=now) == 0
    with pytest.raises(StaleFence):
        store_reports([report], fence=-1, shard=SHARD, now=now)
    with pytest.raises(StaleFence):
        apply_inbox(10, shard=SHARD, fence=-1, now=now)
    assert Trade.objects.count() == 0


def test_fifty_reports_of_ten_books_are_one_batch(alice, ongc, now, django_assert_num_queries):
    account = make_account(alice, now=now)
    reports = []
    for _ in range(10):
        book = make_book(account, now=now, funds=10_000, kind="BOT")
        placed = place(book, make_request(ongc, quantity=10), last=260, now=now)[0]
        send(placed.order_id, now=now)
        reports += [make_report(placed.order_id, now=now, quantity=2, price=260) for _ in range(5)]
    store_reports(reports, fence=0, shard=SHARD, now=now)
    with django_assert_num_queries(15):
        assert len(apply_inbox(50, shard=SHARD, fence=0, now=now)) == 50
    assert Order.objects.filter(status="FILLED").count() == 10


# ------------------------------------------------------------------ ends, triggers, changes


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (ReportKind.CANCELLED, "CANCELLED"),
        (ReportKind.EXPIRED, "EXPIRED"),
        (ReportKind.REJECTED, "REJECTED"),
    ],
)
def test_every_end_releases_the_hold_and_comes_once(opened, book, now, kind, status):
    for _ in range(2):
        apply_report(make_report(opened, kind, now=now, message="because"), now=now)
    order = Order.objects.get()
    assert (order.status, order.status_message, order.hold_remaining) == (status, "because", 0)
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}
    assert kinds(opened)[-1] == status
    assert kinds(opened).count(status) == 1


def test_a_stop_triggers_once_and_trades(book, ongc, now):
    request = make_request(ongc, price=271, trigger=270, quantity=10)
    placed = place(book, request, last=260, now=now)[0]
    send(placed.order_id, now=now)
    assert Order.objects.get().status == "TRIGGER_PENDING"
    apply_report(make_report(placed.order_id, ReportKind.TRIGGERED, now=now), now=now)
    apply_report(make_report(placed.order_id, ReportKind.TRIGGERED, now=now), now=now)
    assert Order.objects.get().status == "OPEN"
    fill(placed.order_id, 10, 271, now=now)
    assert kinds(placed.order_id)[-3:] == ["ACCEPTED", "TRIGGERED", "TRADE"]


def test_a_trade_of_a_waiting_stop_says_that_it_triggered(book, ongc, now):
    placed = place(
        book, make_request(ongc, price=271, trigger=270, quantity=10), last=260, now=now
    )[0]
    send(placed.order_id, now=now)
    fill(placed.order_id, 5, 271, now=now)
    assert kinds(placed.order_id)[-2:] == ["TRIGGERED", "TRADE"]
    assert Order.objects.get().triggered_at == now


def test_a_change_holds_the_dearer_version_until_it_is_answered(opened, alice, book, now):
    modify_order(alice, opened, price=number(262), now=now, enqueue=no_hint)
    order = Order.objects.get()
    assert (order.status, order.price) == ("MODIFY_PENDING", 260)
    assert balances(book)["HELD", "INR"] == number("6291.144")
    confirmed = make_report(opened, ReportKind.MODIFIED, now=now, price=262, quantity=24)
    apply_report(confirmed, now=now)
    order.refresh_from_db()
    assert (order.status, order.price, order.revision) == ("OPEN", 262, 1)
    modify_order(alice, opened, quantity=number(10), now=now, enqueue=no_hint)
    assert balances(book)["HELD", "INR"] == number("6291.144")
    apply_report(make_report(opened, ReportKind.MODIFY_REJECTED, now=now), now=now)
    order.refresh_from_db()
    assert (order.status, order.quantity, order.pending_change) == ("OPEN", 24, None)


def test_a_trade_by_the_new_terms_before_the_word_on_them(opened, alice, now):
    modify_order(alice, opened, quantity=number(30), now=now, enqueue=no_hint)
    fill(opened, 30, 260, now=now)
    assert Order.objects.get().status == "FILLED"
    apply_report(make_report(opened, ReportKind.MODIFIED, now=now, quantity=30), now=now)
    assert kinds(opened)[-2:] == ["MODIFIED", "TRADE"]


def test_a_refused_cancel_leaves_the_order_open(opened, alice, now):
    cancel_order(alice, opened, now=now, enqueue=no_hint)
    apply_report(make_report(opened, ReportKind.CANCEL_REJECTED, now=now), now=now)
    order = Order.objects.get()
    assert (order.status, order.cancel_requested_at) == ("OPEN", None)


# ------------------------------------------------------------------ outcomes


@pytest.fixture
def sending(book, ongc, now):
    placed = place(book, make_request(ongc, quantity=10), last=260, now=now)[0]
    mark_sending(placed.order_id, now=now)
    return placed.order_id


def record(order_id, kind, now, **values):
    outcome = make_outcome(order_id, kind, **values)
    return record_outcomes([outcome], shard=SHARD, fence=0, now=now)


def test_an_acceptance_opens_and_is_heard_once(sending, book, now):
    assert record(sending, OutcomeKind.ACCEPTED, now) == [book.pk]
    assert record(sending, OutcomeKind.ACCEPTED, now) == []
    order = Order.objects.get()
    assert (order.status, order.venue_order_id) == ("OPEN", f"V{sending}")


def test_a_rejection_releases_the_hold(sending, book, now):
    record(sending, OutcomeKind.REJECTED, now, code="BAND", message="Outside the band")
    order = Order.objects.get()
    assert (order.status, order.status_code) == ("REJECTED", "BAND")
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}


def test_what_was_certainly_not_sent_is_sent_again_four_times(sending, book, now):
    pauses, order = [], Order.objects.get()
    for _ in range(4):
        record(sending, OutcomeKind.NOT_SENT, now)
        order.refresh_from_db()
        pauses.append((order.send_after - now).total_seconds())
        assert order.status == OrderStatus.READY
        mark_sending(sending, now=now)
    assert pauses == [1, 2, 4, 8]
    record(sending, OutcomeKind.NOT_SENT, now)
    order.refresh_from_db()
    assert (order.status, order.status_code) == ("REJECTED", "VENUE_UNREACHABLE")
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}


def test_a_full_gate_waits_as_long_as_the_venue_says(sending, now):
    record(sending, OutcomeKind.RATE_LIMITED, now, retry_after=17.5)
    assert Order.objects.get().send_after == now + timedelta(seconds=17.5)


def test_an_order_that_was_not_sent_and_is_to_be_cancelled_ends(sending, alice, book, now):
    cancel_order(alice, sending, now=now, enqueue=no_hint)
    assert Order.objects.get().status == "SENDING"
    record(sending, OutcomeKind.NOT_SENT, now)
    assert Order.objects.get().status == "CANCELLED"
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}


def test_an_accepted_order_that_is_to_be_cancelled_waits_for_the_venue(sending, alice, now):
    cancel_order(alice, sending, now=now, enqueue=no_hint)
    record(sending, OutcomeKind.ACCEPTED, now)
    assert Order.objects.get().status == "CANCEL_PENDING"


@pytest.mark.parametrize("kind", [OutcomeKind.UNKNOWN, OutcomeKind.DUPLICATE])
def test_unknown_keeps_the_hold_and_is_never_sent_again(sending, book, now, kind):
    record(sending, kind, now)
    record(sending, OutcomeKind.NOT_SENT, now)
    order = Order.objects.get()
    assert (order.status, order.unknown_since) == ("UNKNOWN", now)
    assert balances(book)["HELD", "INR"] == number("2601.3")


def test_given_up_orders_release_and_a_late_accept_holds_again(sending, book, now):
    record(sending, OutcomeKind.UNKNOWN, now)
    ids = [Order.objects.get().client_order_id]
    assert mark_not_at_venue(ids, shard=SHARD, fence=0, now=now) == [book.pk]
    assert Order.objects.get().status == "NOT_AT_VENUE"
    assert balances(book) == {("AVAILABLE", "INR"): number(100_000)}
    fill(sending, 4, 260, now=now)
    order = Order.objects.get()
    assert (order.status, order.filled_quantity) == ("OPEN", 4)
    assert balances(book)["HELD", "INR"] == number("1560.78")
    assert kinds(sending)[-3:] == ["NOT_AT_VENUE", "ADOPTED", "TRADE"]


def test_outcomes_need_the_fence(sending, now):
    outcome = make_outcome(sending, OutcomeKind.ACCEPTED)
    with pytest.raises(StaleFence):
        record_outcomes([outcome], shard=SHARD, fence=-1, now=now)
    assert Order.objects.get().status == "SENDING"


# ------------------------------------------------------------------ what the owner hears


def test_the_books_owner_hears_everything_in_order_without_gaps(opened, book, alice, ongc, now):
    fill(opened, 4, 260, now=now)
    cancel_order(alice, opened, now=now, enqueue=no_hint)
    end = make_report(opened, ReportKind.CANCELLED, now=now, cumulative_quantity=4)
    apply_report(end, now=now)
    place(book, make_request(ongc, price=299, slot_ref="b1-9-B-1"), last=260, now=now)
    events = book_events_after(book.pk, 0)
    assert [(e.book_seq, e.kind) for e in events] == [
        (1, "ACCEPTED"), (2, "TRADE"), (3, "CANCELLED"), (4, "DENIED"),
    ]  # fmt: skip
    trade = events[1]
    assert (trade.quantity, trade.price, trade.fee, trade.fee_asset) == (
        4, 260, number("0.52"), "INR",
    )  # fmt: skip
    assert (trade.cumulative, trade.is_complete, trade.at) == (4, False, now)
    assert trade.trade_id == Trade.objects.get().venue_trade_id
    assert events[2].cumulative == 4
    assert (events[3].slot_ref, events[3].code) == ("b1-9-B-1", "R4_PRICE_BAND")
    assert [e.book_seq for e in book_events_after(book.pk, 2)] == [3, 4]
    assert Book.objects.get(pk=book.pk).event_seq == 4


def test_units_given_from_outside_can_be_sold(book, ongc, now):
    give(book, "NSE:ONGC", 5, now=now)
    trade_now(book, ongc, Side.SELL, quantity=5, price=260, now=now)
    assert Position.objects.get().realised == 1300
    assert balances(book) == {("AVAILABLE", "INR"): number("101299.35")}
