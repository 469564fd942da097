"""Every invariant is shown to fail on a planted corruption, naming the row (decisions 51)."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from market.domain.enums import Product, Side
from market.domain.messages import OutcomeKind, VenueOrder
from portfolio.models import (
    LedgerAccount,
    LedgerEntry,
    Order,
    OrderEvent,
    Position,
    Trade,
    VenueEvent,
)
from portfolio.services.intraday import book_for
from portfolio.services.invariants import CHECKS, check_invariants, check_venue_orders
from portfolio.services.ledger import transfer
from portfolio.tests.factories import (
    fill,
    make_account,
    make_book,
    make_instrument,
    make_request,
    mark_sending,
    number,
    place,
    send,
    trade_now,
)

GUARDED = ["ledgerentry", "ledgertransaction", "orderevent", "trade", "order", "position"]


@pytest.fixture
def world(real_db, alice, now):
    """Return rows of every kind, with the guards of the database taken down."""
    ongc = make_instrument()
    account = make_account(alice, now=now)
    manual = make_book(account, now=now, funds=200_000)
    book = make_book(account, now=now, kind="BOT")
    transfer(manual.pk, book.pk, asset="INR", amount=number(100_000), ref="start", now=now)
    done = trade_now(book, ongc, quantity=10, price=260, now=now)
    trade_now(book, ongc, Side.SELL, quantity=3, price=265, now=now)
    slots = [make_request(ongc, quantity=24, slot_ref=f"b1-{slot}-B-{slot}") for slot in (1, 2)]
    opened, second = place(book, *slots, last=260, now=now)
    send(opened.order_id, second.order_id, now=now)
    fill(opened.order_id, 4, 260, now=now)
    sending, unknown = place(book, *[make_request(ongc, quantity=1)] * 2, last=260, now=now)
    mark_sending(sending.order_id, now=now)
    send(unknown.order_id, now=now, kind=OutcomeKind.UNKNOWN)
    intraday = book_for(alice, product=Product.MIS, quote_asset="INR", now=now)
    sale = replace(make_request(ongc, Side.SELL, quantity=8), product=Product.MIS)
    short = place(intraday, sale, last=260, now=now)[0]
    send(short.order_id, now=now)
    fill(short.order_id, 5, 260, now=now)
    with connection.cursor() as cursor:
        for table in GUARDED:
            cursor.execute(f"ALTER TABLE portfolio_{table} DISABLE TRIGGER USER")
    return {
        "book": book.pk,
        "account": account.pk,
        "done": done.order_id,
        "opened": opened.order_id,
        "second": second.order_id,
        "sending": sending.order_id,
        "unknown": unknown.order_id,
        "trade": Trade.objects.get(order=opened.order_id).pk,
        "position": Position.objects.get(book=book).pk,
        "free": LedgerAccount.objects.get(book=book, kind="AVAILABLE", asset="INR").pk,
        "held": LedgerAccount.objects.get(book=book, kind="HELD", asset="INR").pk,
        "short": short.order_id,
        "margin": LedgerAccount.objects.get(book=intraday, kind="MARGIN").pk,
        "borrowed": LedgerAccount.objects.get(book=intraday, kind="BORROWED").pk,
        "short_position": Position.objects.get(book=intraday).pk,
        "intraday": intraday.pk,
        "units": LedgerAccount.objects.get(book=book, kind="AVAILABLE", asset="NSE:ONGC").pk,
    }


# (invariant, statement, the row that must be named); {names} are keys of `world`.
PLANTED = [
    (
        "I1",
        "UPDATE portfolio_ledgerentry SET amount = amount + 1 WHERE id = {clearing}",
        "ledger_transaction {clearing_transaction} ",
    ),
    (
        "I1",
        "DELETE FROM portfolio_ledgerentry WHERE transaction_id = {clearing_transaction}",
        "ledger_transaction {clearing_transaction} ",
    ),
    (
        "I2",
        "UPDATE portfolio_ledgeraccount SET balance = balance + 1 WHERE id = {free}",
        "ledger_account {free}",
    ),
    (
        "I3",
        "UPDATE portfolio_order SET hold_remaining = hold_remaining + 1 WHERE id = {opened}",
        "order {opened}",
    ),
    (
        "I3",
        "UPDATE portfolio_ledgeraccount SET balance = balance + 1 WHERE id = {held}",
        "ledger_account {held}",
    ),
    (
        "I3",
        "UPDATE portfolio_ledgeraccount SET balance = balance + 1 WHERE id = {margin}",
        "ledger_account {margin}",
    ),
    (
        "I3",
        (
            "UPDATE portfolio_ledgeraccount SET balance = balance - 1 WHERE id = {margin};"
            " UPDATE portfolio_ledgeraccount SET balance = 1"
            " WHERE book_id = {intraday} AND kind = 'AVAILABLE' AND asset = 'INR'"
        ),
        "ledger_account {margin}",
    ),
    (
        "I3",
        "UPDATE portfolio_order SET margin_price = margin_price - 1 WHERE id = {short}",
        "ledger_account {margin}",
    ),
    (
        "I3",
        "UPDATE portfolio_ledgeraccount SET balance = balance - 1 WHERE id = {borrowed}",
        "ledger_account {borrowed}",
    ),
    (
        "I3",
        "UPDATE portfolio_book SET kind = 'BOT' WHERE id = {intraday}",
        "position {short_position}",
    ),
    (
        "I6",
        "UPDATE portfolio_ledgeraccount SET balance = balance - 1 WHERE id = {borrowed}",
        "position {short_position}",
    ),
    (
        "I6",
        "UPDATE portfolio_position SET cost = cost + 1 WHERE id = {short_position}",
        "position ",
    ),
    (
        "I7",
        "UPDATE portfolio_order SET product = 'CNC' WHERE id = {short}",
        "order {short}",
    ),
    (
        "I4",
        "DELETE FROM portfolio_orderevent WHERE order_id = {second} AND kind = 'SENDING'",
        "order {second}",
    ),
    (
        "I4",
        "DELETE FROM portfolio_venueevent WHERE id = {venue_event}",
        "trade {trade}",
    ),
    (
        "I4",
        "DELETE FROM portfolio_trade WHERE id = {trade}",
        "venue_event {venue_event}",
    ),
    (
        "I4",
        "UPDATE portfolio_order SET slot_ref = 'b1-1-B-7' WHERE id = {second}",
        "order {second}",
    ),
    (
        "I5",
        "UPDATE portfolio_order SET client_order_id = 'fbsomethingelse' WHERE id = {opened}",
        "order {opened}",
    ),
    (
        "I5",
        (
            "ALTER TABLE portfolio_order DROP CONSTRAINT order_client_id_unique;"
            " UPDATE portfolio_order SET client_order_id = 'fbtwice' WHERE id IN ({sending}, {unknown})"
        ),
        "order {unknown}",
    ),
    (
        "I6",
        "UPDATE portfolio_position SET quantity = quantity + 1 WHERE id = {position}",
        "position {position}",
    ),
    (
        "I6",
        "UPDATE portfolio_position SET cost = cost - 1 WHERE id = {position}",
        "position {position}",
    ),
    (
        "I6",
        (
            "UPDATE portfolio_position SET realised = realised + 1, cost = cost + 1"
            " WHERE id = {position}"
        ),
        "position {position}",
    ),
    (
        "I6",
        "UPDATE portfolio_ledgeraccount SET balance = balance + 1 WHERE id = {units}",
        "position {position}",
    ),
    (
        "I7",
        "UPDATE portfolio_order SET filled_quantity = 5 WHERE id = {opened}",
        "order {opened}",
    ),
    (
        "I7",
        "UPDATE portfolio_order SET status = 'OPEN' WHERE id = {done}",
        "order_event {last_event}",
    ),
    (
        "I7",
        (
            'UPDATE portfolio_orderevent SET detail = detail || \'{{"price": "1"}}\''
            " WHERE id = {last_event}"
        ),
        "order_event {last_event}",
    ),
    (
        "I7",
        "UPDATE portfolio_order SET status = 'READY' WHERE id = {opened}",
        "trade {trade}",
    ),
    (
        "I8",
        "UPDATE portfolio_order SET sent_at = sent_at - interval '61 s' WHERE id = {sending}",
        "order {sending}",
    ),
    (
        "I8",
        (
            "UPDATE portfolio_order SET unknown_since = unknown_since - interval '241 s'"
            " WHERE id = {unknown}"
        ),
        "order {unknown}",
    ),
]


def test_each_invariant_fails_on_a_planted_corruption_and_names_the_row(world, now):
    clearing = LedgerEntry.objects.filter(account__book=None, transaction__kind="TRADE")[0]
    last = OrderEvent.objects.filter(order=world["done"]).latest("sequence")
    report = VenueEvent.objects.get(payload__venue_trade_id=Trade.objects.get(
        pk=world["trade"]).venue_trade_id)  # fmt: skip
    rows = {
        **world,
        "clearing": clearing.pk,
        "clearing_transaction": clearing.transaction_id,
        "last_event": last.pk,
        "venue_event": report.pk,
    }
    assert check_invariants(now=now) == []
    for invariant, statement, row in PLANTED:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement.format(**rows))
            found = {
                violation.row
                for violation in check_invariants(now=now)
                if violation.invariant == invariant
            }
            transaction.set_rollback(True)
        named = row.format(**rows)
        assert any(f"{each} ".startswith(named) for each in found), (statement, found)
    assert {invariant for invariant, _, _ in PLANTED} == set(CHECKS)
    assert check_invariants(now=now) == []


def run_command(*args):
    out = StringIO()
    code = 0
    try:
        call_command("check_invariants", *args, stdout=out)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue()


def test_the_command_leaves_with_1_and_names_the_row(world, now):
    only = ("--only", "I1", "I2", "I3", "I4", "I5", "I6", "I7")
    assert run_command(*only) == (0, "I1, I2, I3, I4, I5, I6, I7 checked: 0 violations\n")
    # The waiting orders of this world are from long ago by the wall clock.
    assert run_command("--only", "I8")[0] == 1
    LedgerAccount.objects.filter(pk=world["free"]).update(balance=1)
    code, text = run_command(*only)
    assert code == 1
    assert f"I2 ledger_account {world['free']}: AVAILABLE INR" in text
    code, text = run_command("--json", "--only", "I2")
    assert code == 1
    answer = json.loads(text)
    assert answer["checked"] == ["I2"]
    assert [each["row"] for each in answer["violations"]] == [f"ledger_account {world['free']}"]


@pytest.mark.django_db
def test_the_venues_own_list_is_compared_with_ours(alice, now):
    ongc = make_instrument()
    book = make_book(make_account(alice, now=now), now=now, funds=100_000)
    sent, ready = place(book, *[make_request(ongc)] * 2, last=260, now=now)
    send(sent.order_id, now=now)

    def at_venue(client_order_id):
        return VenueOrder(
            venue_account_id=book.venue_account_id, client_order_id=client_order_id,
            venue_order_id="V1", instrument_token=ongc.pk, side=Side.BUY, quantity=number(10),
            filled_quantity=number(0), price=number(260), status="OPEN",
        )  # fmt: skip

    listed = [at_venue(sent.client_order_id), at_venue("somebody else's")]
    assert check_venue_orders(book.venue_account_id, listed) == []
    wrong = [at_venue(ready.client_order_id), at_venue("fbghost")]
    messages = [each.message for each in check_venue_orders(book.venue_account_id, wrong)]
    assert messages == [
        "rests at the venue, here it is READY", "rests at the venue and is not ours",
    ]  # fmt: skip
    assert Order.objects.count() == 2


@pytest.mark.django_db
def test_nothing_is_in_doubt_within_the_quarantine(alice, now):
    book = make_book(make_account(alice, now=now), now=now, funds=100_000)
    placed = place(book, make_request(make_instrument()), last=260, now=now)[0]
    mark_sending(placed.order_id, now=now)
    assert check_invariants(now=now + timedelta(seconds=60), names=["I8"]) == []
    late = check_invariants(now=now + timedelta(seconds=61), names=["I8"])
    assert [violation.row for violation in late] == [f"order {placed.order_id}"]
