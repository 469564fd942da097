"""What the database itself refuses, also to its owner, and what the app role may not do."""

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.utils import ProgrammingError

from portfolio.models import GatewayShard, KillSwitch, LedgerAccount, Order
from portfolio.tests.factories import (
    make_account,
    make_book,
    make_instrument,
    make_request,
    place,
    trade_now,
)

APPEND_ONLY = [
    "portfolio_ledgerentry",
    "portfolio_ledgertransaction",
    "portfolio_orderevent",
    "portfolio_trade",
]
CHANGES = ["UPDATE {table} SET id = id", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]


@pytest.fixture
def book(real_db, alice, now):
    book = make_book(make_account(alice, now=now), now=now, funds=100_000)
    trade_now(book, make_instrument(), quantity=10, price=260, now=now)
    return book


def run(query, values=None):
    with connection.cursor() as cursor:
        cursor.execute(query, values)


def test_append_only_tables_refuse_everybody_and_the_app_role_may_not_even_try(book, now):
    for table in APPEND_ONLY:
        for change in CHANGES:
            with pytest.raises(IntegrityError, match="append-only"):
                run(change.format(table=table))
    with transaction.atomic():
        run(f'SET LOCAL ROLE "{settings.DATABASE_APP_ROLE}"')
        for table in APPEND_ONLY:
            for change in CHANGES:
                with (
                    pytest.raises(ProgrammingError, match="permission denied"),
                    transaction.atomic(),
                ):
                    run(change.format(table=table))
        # It can do its work, though.
        place(book, make_request(make_instrument(), quantity=1), last=260, now=now)
    assert Order.objects.count() == 2


def test_an_unbalanced_transaction_cannot_be_committed(book, now):
    account = LedgerAccount.objects.get(book=book, kind="AVAILABLE", asset="INR")
    with (
        pytest.raises(IntegrityError, match="does not sum to zero: 5"),
        transaction.atomic(durable=True),
    ):
        run(
            "WITH t AS (INSERT INTO portfolio_ledgertransaction (ref, kind, at)"
            " VALUES ('planted', 'DEPOSIT', %s) RETURNING id)"
            " INSERT INTO portfolio_ledgerentry (transaction_id, account_id, amount)"
            " SELECT id, %s, 5 FROM t",
            [now, account.pk],
        )


def test_an_entry_cannot_be_added_to_an_old_transaction(book):
    with (
        pytest.raises(IntegrityError, match="does not sum to zero"),
        transaction.atomic(durable=True),
    ):
        run(
            "INSERT INTO portfolio_ledgerentry (transaction_id, account_id, amount)"
            " SELECT transaction_id, account_id, 1 FROM portfolio_ledgerentry LIMIT 1"
        )


def test_no_balance_goes_below_zero_and_the_platform_stores_none(book):
    with pytest.raises(IntegrityError, match="ledger_balance_not_below_0"):
        LedgerAccount.objects.filter(book=book, asset="INR").update(balance=-1)
    platform = LedgerAccount.objects.filter(book=None)
    assert platform.exists()
    assert not platform.exclude(balance=None).exists()
    with pytest.raises(IntegrityError):
        platform.update(balance=1)


@pytest.mark.parametrize("status", ["OPEN", "READY", "CANCELLED"])
def test_an_end_stays_an_end(book, status):
    with pytest.raises(IntegrityError, match="has ended as FILLED"):
        Order.objects.update(status=status)


def test_only_a_given_up_order_can_come_back(book):
    run("ALTER TABLE portfolio_order DISABLE TRIGGER USER")
    Order.objects.update(status="NOT_AT_VENUE")
    run("ALTER TABLE portfolio_order ENABLE TRIGGER USER")
    with pytest.raises(IntegrityError, match="cannot become READY"):
        Order.objects.update(status="READY")
    assert Order.objects.update(status="OPEN") == 1


def test_rows_that_must_be_locked_are_made_ahead(real_db, alice, now):
    assert GatewayShard.objects.filter(number=0).exists()
    assert KillSwitch.objects.filter(scope="PLATFORM", key=0).exists()
    account = make_account(alice, now=now)
    book = make_book(account, now=now)
    for scope, key in (("USER", alice.pk), ("VENUE_ACCOUNT", account.pk), ("BOOK", book.pk)):
        assert KillSwitch.objects.get(scope=scope, key=key).is_active is False


def test_errors_of_the_database_are_the_drivers(book):
    with pytest.raises(DatabaseError) as caught:
        run("DELETE FROM portfolio_trade")
    assert isinstance(caught.value.__cause__, psycopg.errors.RestrictViolation)
