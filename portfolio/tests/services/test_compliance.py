"""Orders of accounts that may not trade are refused with the reason; nothing is written then."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent
from accounts.tests.factors import enrol
from api.errors import wire_error
from market.domain.enums import OrderStatus
from portfolio.domain.compliance import EvidenceKind
from portfolio.exceptions import AccountNotFound, AccountRefused, AccountTakesNoOrders
from portfolio.models import Book, ComplianceEvidence, LedgerEntry, Order, VenueAccount
from portfolio.services.accounts import furnish_account
from portfolio.services.compliance import (
    Act,
    Paper,
    add_evidence,
    bot_start_refusal,
    confirm_evidence,
)
from portfolio.services.modifications import modify_order
from portfolio.services.orders import cancel_order
from portfolio.services.reconciliation import mark_accounts
from portfolio.tests.factories import (
    SHARD,
    give,
    make_account,
    make_book,
    make_instrument,
    make_request,
    place,
)

pytestmark = pytest.mark.django_db
WAITING = "Orders to Zerodha come with a later release of FinByte."


def connected(user, now, *, mode="LIVE", profile="IN_MANUAL", venue="KITE", asset="INR"):
    account = VenueAccount.objects.create(
        user=user,
        name=f"{venue} {profile}",
        venue=venue,
        mode=mode,
        compliance_profile=profile,
        settlement_asset=asset,
        status="NOT_READY",
        status_reason=WAITING,
        created_at=now,
    )
    furnish_account(account, now=now)
    return account


def manual(account):
    return Book.objects.get(venue_account=account, kind="MANUAL")


def funded(account, now):
    book = manual(account)
    give(book, account.settlement_asset, 100_000, now=now)
    return book


def paper(account, kind, by, now):
    return ComplianceEvidence.objects.create(
        venue_account=account,
        kind=kind,
        reference="203.0.113.7",
        dated_on=date(2026, 3, 1),
        recorded_by=by,
        recorded_at=now,
    )


def act(actor, now, owner=None):
    return Act(actor=actor, owner=owner or actor, client_address="127.0.0.1", now=now)


def refused(account, now):
    """Return why an order is refused; assert that nothing came of it."""
    book = funded(account, now)
    entries = LedgerEntry.objects.count()
    with pytest.raises(AccountTakesNoOrders) as caught:
        place(book, make_request(make_instrument(), quantity=1, price=250), last=262, now=now)
    assert not Order.objects.exists()
    assert LedgerEntry.objects.count() == entries
    wire = wire_error(caught.value)
    assert (wire.status, wire.error_type, wire.message) == (400, "OrderException", None)
    return str(caught.value)


class TestOrders:
    @pytest.mark.parametrize(
        ("profile", "words"),
        [
            ("IN_MANUAL", "the static IP address registered with your broker must"),
            ("IN_OWN_ALGO", "and your broker's confirmation must"),
            ("IN_REGISTERED_ALGO", "and the confirmation by our staff must"),
        ],
    )
    def test_live_without_evidence(self, alice, now, profile, words):
        reason = refused(connected(alice, now, profile=profile), now)
        assert reason.startswith("Live trading is not open on this account: ")
        assert words in reason

    def test_live_on_hold(self, alice, now):
        account = connected(alice, now)
        paper(account, EvidenceKind.STATIC_ADDRESS, alice, now)
        alice.live_hold_until = now + timedelta(hours=24)
        alice.save()
        assert refused(account, now) == (
            "Live trading rests until 03 Mar 2026, 04:30 UTC, "
            "because your second factor was taken off"
        )

    def test_live_rests_until_a_lost_second_factor_is_replaced(self, alice, now):
        account = connected(alice, now)
        paper(account, EvidenceKind.STATIC_ADDRESS, alice, now)
        alice.live_hold_until = now
        alice.save()
        assert refused(account, now) == (
            "Live trading rests until you have set up a second factor again"
        )

    def test_live_with_all_papers_waits_for_its_gateway(self, alice, now):
        enrol(alice)
        account = connected(alice, now)
        paper(account, EvidenceKind.STATIC_ADDRESS, alice, now)
        assert refused(account, now) == f"This account takes no orders yet: {WAITING}"

    def test_testnet_that_is_not_ready(self, alice, now):
        account = connected(
            alice, now, mode="TESTNET", profile="CRYPTO_TESTNET", venue="BINANCE_TESTNET"
        )
        assert refused(account, now) == f"This account takes no orders yet: {WAITING}"

    def test_an_open_order_is_not_changed_but_cancelled(self, alice, now):
        book = make_book(make_account(alice, now=now), now=now, funds=100_000)
        request = make_request(make_instrument(), quantity=1, price=250)
        placed = place(book, request, last=262, now=now)[0]
        account = connected(alice, now)
        # No service would move a book; it stands for an account whose papers were voided.
        Book.objects.filter(venue_account=account).delete()
        Book.objects.filter(pk=book.pk).update(venue_account=account)
        with pytest.raises(AccountTakesNoOrders):
            modify_order(alice, placed.order_id, quantity=2, now=now, enqueue=lambda: None)
        assert Order.objects.get().quantity == 1
        done = cancel_order(alice, placed.order_id, now=now, enqueue=lambda: None)
        assert done.status is OrderStatus.CANCELLED

    def test_paper_asks_nothing_more(self, alice, now):
        """Neither for its rules, nor for one query more than the order path takes."""
        account = make_account(alice, now=now)
        book = make_book(account, now=now, funds=100_000)
        request = make_request(make_instrument(), quantity=1, price=250)
        place(book, request, last=262, now=now)
        with CaptureQueriesContext(connection) as queries:
            placed = place(book, request, last=262, now=now)
        assert placed[0].status is OrderStatus.READY
        assert not [each for each in queries if "complianceevidence" in each["sql"]]
        assert not [each for each in queries if "accounts_user" in each["sql"]]
        # A paper account that is being reconciled takes orders as before; they wait.
        VenueAccount.objects.filter(pk=account.pk).update(status="NOT_READY")
        assert place(book, request, last=262, now=now)[0].status is OrderStatus.READY


class TestAccounts:
    @pytest.mark.parametrize(
        ("mode", "profile", "venue", "status"),
        [
            ("PAPER", "CRYPTO_TESTNET", "PAPER", "READY"),
            ("PAPER", "IN_MANUAL", "PAPER", "READY"),
            ("TESTNET", "PAPER", "BINANCE_TESTNET", "NOT_READY"),
            ("TESTNET", "IN_OWN_ALGO", "BINANCE_TESTNET", "NOT_READY"),
            ("LIVE", "PAPER", "KITE", "NOT_READY"),
            ("LIVE", "CRYPTO_TESTNET", "KITE", "NOT_READY"),
            ("LIVE", "", "KITE", "NOT_READY"),
            ("PAPER", "PAPER", "KITE", "READY"),
            ("LIVE", "IN_MANUAL", "PAPER", "NOT_READY"),
            ("TESTNET", "CRYPTO_TESTNET", "BINANCE_TESTNET", "READY"),
            ("LIVE", "IN_MANUAL", "KITE", "READY"),
        ],
    )
    def test_the_database_refuses_what_does_not_fit(self, alice, now, mode, profile, venue, status):
        with pytest.raises(IntegrityError, match="venue_account_"), transaction.atomic():
            VenueAccount.objects.create(
                user=alice,
                name="x",
                venue=venue,
                mode=mode,
                compliance_profile=profile,
                settlement_asset="INR",
                status=status,
                created_at=now,
            )
        assert not VenueAccount.objects.exists()

    def test_the_paper_gateway_judges_no_connected_account(self, alice, now):
        mine = make_account(alice, now=now)
        VenueAccount.objects.filter(pk=mine.pk).update(status="NOT_READY")
        elsewhere = connected(alice, now)
        assert mark_accounts(SHARD, mismatches={}) == {mine.pk: "READY"}
        assert mark_accounts(SHARD, mismatches={elsewhere.pk: "wrong"}) == {}
        elsewhere.refresh_from_db()
        assert (elsewhere.status, elsewhere.status_reason) == ("NOT_READY", WAITING)

    def test_bots_start_on_paper_only(self, alice, now):
        assert bot_start_refusal(make_account(alice, now=now)) is None
        assert "a person decides each order" in bot_start_refusal(connected(alice, now))
        own = connected(alice, now, profile="IN_OWN_ALGO")
        assert bot_start_refusal(own) == f"KITE IN_OWN_ALGO takes no orders yet: {WAITING}"


class TestEvidence:
    def test_the_owner_adds_a_paper(self, alice, now):
        account = connected(alice, now)
        wanted = Paper(EvidenceKind.STATIC_ADDRESS, "203.0.113.7", date(2026, 3, 1))
        row = add_evidence(account.pk, wanted, act=act(alice, now))
        assert (row.kind, row.reference, row.recorded_by) == (
            "STATIC_ADDRESS",
            "203.0.113.7",
            alice,
        )
        event = AuditEvent.objects.get()
        assert (event.kind, event.target) == ("venue_evidence_added", f"venue account {account.pk}")
        assert event.detail == {"venue": "KITE", "kind": "STATIC_ADDRESS"}

    @pytest.mark.parametrize(
        "kind", [EvidenceKind.STAFF_CONFIRMATION, EvidenceKind.ALGO_REGISTRATION]
    )
    def test_what_is_not_asked_for_is_refused(self, alice, now, kind):
        account = connected(alice, now)
        with pytest.raises(AccountRefused):
            add_evidence(account.pk, Paper(kind, "x", date(2026, 3, 1)), act=act(alice, now))
        assert not ComplianceEvidence.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_nobody_adds_to_somebody_elses_account(self, alice, bob, now):
        account = connected(alice, now)
        wanted = Paper(EvidenceKind.STATIC_ADDRESS, "203.0.113.7", date(2026, 3, 1))
        with pytest.raises(AccountNotFound):
            add_evidence(account.pk, wanted, act=act(bob, now))
        assert not ComplianceEvidence.objects.exists()

    def test_it_is_never_changed(self, alice, now):
        row = paper(connected(alice, now), EvidenceKind.STATIC_ADDRESS, alice, now)
        rows = ComplianceEvidence.objects.filter(pk=row.pk)
        for change in (lambda: rows.update(reference="198.51.100.1"), rows.delete):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                change()
        assert rows.get().reference == "203.0.113.7"

    def test_staff_confirms_the_newest_paper_of_somebody_else(self, alice, staff, now):
        enrol(alice)
        account = connected(alice, now, profile="IN_REGISTERED_ALGO")
        first = paper(account, EvidenceKind.STATIC_ADDRESS, alice, now)
        with pytest.raises(AccountRefused, match="nothing to confirm"):
            confirm_evidence(first, reason="seen", act=act(staff, now, alice))
        paper(account, EvidenceKind.BROKER_CONFIRMATION, alice, now)
        last = paper(account, EvidenceKind.ALGO_REGISTRATION, alice, now)
        with pytest.raises(AccountRefused, match="newer paper"):
            confirm_evidence(first, reason="seen", act=act(staff, now, alice))
        with pytest.raises(AccountRefused, match="Somebody else"):
            confirm_evidence(last, reason="seen", act=act(alice, now))
        assert not AuditEvent.objects.exists()
        confirm_evidence(last, reason="seen", act=act(staff, now, alice))
        row = ComplianceEvidence.objects.latest("pk")
        assert (row.kind, row.reference, row.recorded_by) == ("STAFF_CONFIRMATION", "seen", staff)
        event = AuditEvent.objects.get()
        assert (event.actor, event.on_behalf_of) == (staff, alice)
        assert refused(account, now) == f"This account takes no orders yet: {WAITING}"
        with pytest.raises(AccountRefused):
            confirm_evidence(row, reason="again", act=act(staff, now, alice))
