"""Pages of venue accounts: step-up before keys, no secret in any answer, foreign is 404."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.services.sealed import seal
from accounts.tests.factors import enrol
from finbyte_site.tests.console import Stage, client_of, stamp_client
from market.tests.venues.binance_double import (
    KEY,
    RESTRICTIONS,
    SECRET,
    BinanceDouble,
    serving,
)
from portfolio.models import ComplianceEvidence, LedgerEntry, Order, VenueAccount, VenueCredentials
from portfolio.services.accounts import furnish_account, open_paper_accounts

LIST = "/console/venue-accounts/"
SPOT = f"{LIST}connect/BINANCE_TESTNET/"
KITE = f"{LIST}connect/KITE/"
RIGHTS = "/sapi/v1/account/apiRestrictions"
KITE_KEY, KITE_SECRET = "abcdefgh12345678", "kitesecret0123456789kitesecret01"
TYPED = {"name": "My testnet", "key": KEY, "secret": SECRET}
LIVE = {
    "name": "My broker",
    "key": KITE_KEY,
    "secret": KITE_SECRET,
    "profile": "IN_OWN_ALGO",
    "static_address": "203.0.113.7",
    "static_address_date": "2026-03-01",
    "broker_confirmation": "mail of 1 March",
    "broker_confirmation_date": "2026-03-01",
}


@pytest.fixture(autouse=True)
def keys(settings, redis_client):
    settings.FIELD_KEYS = ["a key of this test " * 3]


@pytest.fixture
def venue(settings):
    double = BinanceDouble(timezone.now() + timedelta(milliseconds=500))
    double.answers[RIGHTS] = RESTRICTIONS
    with serving(double) as address:
        settings.VENUE_ADDRESSES = {"BINANCE_TESTNET": address, "BINANCEFUT_TESTNET": address}
        yield double


def connected(user, *, profile="CRYPTO_TESTNET", mode="TESTNET", venue="BINANCE_TESTNET", number=1):
    now = timezone.now()
    account = VenueAccount.objects.create(
        user=user,
        name=f"Connected {number}",
        venue=venue,
        mode=mode,
        compliance_profile=profile,
        settlement_asset="USDT" if mode == "TESTNET" else "INR",
        status="NOT_READY",
        status_reason="Orders to it come with a later release.",
        created_at=now,
    )
    furnish_account(account, now=now)
    VenueCredentials.objects.create(
        venue_account=account,
        sealed_key=seal("{}", what="venue_key", user_id=user.pk),
        hint="Eh8A",
        added_at=now,
        checked_at=now,
        finding="TRADE_ONLY",
        finding_words="It may trade and cannot move money.",
    )
    return account


def live(user):
    return connected(user, profile="IN_OWN_ALGO", mode="LIVE", venue="KITE")


def fresh(user):
    """Return a browser in which the second factor was shown just now."""
    enrol(user)
    return client_of(user, factor_at=timezone.now())


class TestConnecting:
    def test_a_testnet_account(self, real_db, alice, venue):
        client = fresh(alice)
        response = client.post(SPOT, TYPED, follow=True)
        account = VenueAccount.objects.get()
        assert response.redirect_chain == [(f"{LIST}{account.pk}/", 302)]
        page = response.text
        assert "My testnet is connected." in page
        assert "Orders to Binance spot testnet come with a later release" in page
        assert f"…{KEY[-4:]}" in page
        assert KEY not in page
        assert SECRET not in page
        venue.answers[RIGHTS] = RESTRICTIONS | {"enableWithdrawals": True}
        response = client.post(SPOT, TYPED | {"name": "Other"})
        assert response.status_code == 422
        assert "This key may withdraw money." in response.text
        assert_no_secret(response)
        venue.answers[RIGHTS] = (503, b"")
        response = client.post(SPOT, TYPED | {"name": "Other"})
        assert response.status_code == 422
        assert "could not be checked now: The venue answered 503" in response.text
        assert_no_secret(response)
        assert VenueAccount.objects.count() == VenueCredentials.objects.count() == 1

    def test_a_live_account_changes_how_its_user_logs_in(self, real_db, alice):
        client = fresh(alice)
        other = client_of(alice)
        page = client.get(KITE).text
        assert "every session ends at 06:00 India time" in page
        response = client.post(KITE, LIVE, follow=True)
        assert "From now on every log-in asks for your second factor" in response.text
        assert "Orders to Zerodha come with a later release" in response.text
        alice.refresh_from_db()
        assert alice.second_factor_rule == "EVERY_SESSION"
        assert client.get(LIST).status_code == 200
        assert other.get(LIST).status_code == 302
        assert_no_secret(response)

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("change", "field", "words"),
        [
            ({"profile": ""}, "profile", "required"),
            ({"profile": "PAPER"}, "profile", "not one of the available choices"),
            ({"static_address": "my house"}, "static_address", "IP address"),
            ({"static_address": ""}, "static_address", "These rules ask for it"),
            ({"static_address_date": ""}, "static_address_date", "These rules ask for it"),
            ({"broker_confirmation": " "}, "broker_confirmation", "These rules ask for it"),
            ({"profile": "IN_REGISTERED_ALGO"}, "algo_registration", "These rules ask for it"),
            ({"key": "short"}, "key", "letters and digits only"),
            ({"key": f"{KITE_KEY}\r\nX: y"}, "key", "letters and digits only"),
            ({"secret": ""}, "secret", "Paste it here"),
            ({"name": ""}, "name", "required"),
        ],
    )
    def test_what_is_missing_or_wrong_is_named(self, alice, change, field, words):
        response = fresh(alice).post(KITE, LIVE | change)
        assert response.status_code == 422
        assert words in str(response.context["form"].errors[field])
        assert_no_secret(response)
        assert not VenueAccount.objects.exists()
        assert not AuditEvent.objects.exists()

    @pytest.mark.django_db
    def test_an_unknown_venue(self, alice):
        client = fresh(alice)
        for name in ("PAPER", "BINANCE", "kite", "x"):
            assert client.get(f"{LIST}connect/{name}/").status_code == 404


def assert_no_secret(response):
    for secret in (KEY, SECRET, KITE_KEY, KITE_SECRET):
        assert secret not in response.text
    for field in re.findall(r"<input[^>]*type=\"password\"[^>]*>", response.text):
        assert "value=" not in field


@pytest.mark.django_db
class TestStepUp:
    @pytest.mark.parametrize("ago", [None, timedelta(minutes=6)])
    def test_keys_ask_for_a_fresh_factor(self, alice, ago):
        account = connected(alice)
        enrol(alice)
        shown = None if ago is None else timezone.now() - ago
        client = client_of(alice, factor_at=shown)
        before = VenueCredentials.objects.values().get()
        for method, address in (
            (client.get, SPOT),
            (client.post, SPOT),
            (client.get, KITE),
            (client.post, KITE),
            (client.get, f"{LIST}{account.pk}/key/"),
            (client.post, f"{LIST}{account.pk}/key/"),
            (client.post, f"{LIST}{account.pk}/key/remove/"),
            (client.post, f"{LIST}{account.pk}/papers/"),
        ):
            response = method(address, TYPED) if method == client.post else method(address)
            assert response.status_code == 302
            assert response["Location"].startswith("/console/account/confirm?next=")
        assert VenueCredentials.objects.values().get() == before
        assert VenueAccount.objects.count() == 1
        assert not AuditEvent.objects.exists()

    def test_live_asks_for_an_enrolled_factor(self, alice):
        client = client_of(alice)
        response = client.get(KITE)
        assert response.status_code == 302
        assert response["Location"].startswith("/console/account/authenticator/add?next=")
        # A testnet holds no money: a fresh password stands in there.
        assert client.get(SPOT).status_code == 200
        stale = client_of(alice)
        stamp_client(stale, alice, password_at=timezone.now() - timedelta(minutes=6))
        assert stale.get(SPOT)["Location"].startswith("/console/account/confirm?next=")


@pytest.mark.django_db
class TestPages:
    def test_foreign_and_unknown_accounts_are_404_everywhere(self, alice, bob):
        theirs = live(bob)
        client = fresh(alice)
        before = VenueCredentials.objects.values().get()
        for pk in (theirs.pk, theirs.pk + 1000):
            root = f"{LIST}{pk}/"
            assert client.get(root).status_code == 404
            assert client.get(f"{root}key/").status_code == 404
            assert client.post(f"{root}key/", TYPED).status_code == 404
            assert client.post(f"{root}key/remove/").status_code == 404
            assert client.post(f"{root}key/check/").status_code == 404
            paper = {"kind": "STATIC_ADDRESS", "reference": "203.0.113.7", "dated_on": "2026-03-01"}
            assert client.post(f"{root}papers/", paper).status_code == 404
        assert theirs.name not in client.get(LIST).text
        assert VenueCredentials.objects.values().get() == before
        assert not ComplianceEvidence.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_a_paper_account_has_a_page_and_no_key(self, alice, now):
        inr, _ = open_paper_accounts(alice, now=now)
        client = fresh(alice)
        page = client.get(f"{LIST}{inr.pk}/")
        assert page.status_code == 200
        assert "Rules: Paper" in page.text
        assert "Replace the key" not in page.text
        for path in ("key/", "key/remove/", "key/check/"):
            assert client.post(f"{LIST}{inr.pk}/{path}", TYPED).status_code == 404

    def test_an_address_is_put_on_record(self, alice):
        account = live(alice)
        client = fresh(alice)
        root = f"{LIST}{account.pk}/"
        page = client.get(root).text
        assert "Live trading is not open on this account" in page
        typed = {"kind": "STATIC_ADDRESS", "reference": "my house", "dated_on": "2026-03-01"}
        response = client.post(f"{root}papers/", typed)
        assert response.status_code == 422
        assert "Enter an IP address" in response.text
        staff = typed | {"kind": "STAFF_CONFIRMATION", "reference": "yes"}
        assert client.post(f"{root}papers/", staff).status_code == 422
        assert not ComplianceEvidence.objects.exists()
        typed["reference"] = "::ffff:203.0.113.7"
        response = client.post(f"{root}papers/", typed, follow=True)
        assert "203.0.113.7" in response.text
        row = ComplianceEvidence.objects.get()
        assert (row.reference, row.dated_on, row.recorded_by) == (
            "203.0.113.7",
            date(2026, 3, 1),
            alice,
        )

    def test_the_key_is_removed(self, alice):
        account = connected(alice)
        response = fresh(alice).post(f"{LIST}{account.pk}/key/remove/", follow=True)
        assert "The key is gone from here." in response.text
        assert "No key is stored" in response.text
        assert not VenueCredentials.objects.exists()

    def test_the_list_takes_the_same_queries_for_any_number(self, alice):
        client = client_of(alice)

        def queries():
            client.get(LIST)
            with CaptureQueriesContext(connection) as captured:
                assert client.get(LIST).status_code == 200
            return len(captured)

        found = [queries()]
        for count in (1, 19):
            for number in range(count):
                account = connected(alice, number=f"{count} {number}")
                ComplianceEvidence.objects.create(
                    venue_account=account,
                    kind="STATIC_ADDRESS",
                    reference="203.0.113.7",
                    dated_on=date(2026, 3, 1),
                    recorded_by=alice,
                    recorded_at=timezone.now(),
                )
            found.append(queries())
        # Session, user, accounts with keys, accounts of the frame; then the papers of all.
        assert found == [4, 5, 5]

    def test_the_detail_page(self, alice):
        account = live(alice)
        client = client_of(alice)
        client.get(f"{LIST}{account.pk}/")
        with CaptureQueriesContext(connection) as captured:
            client.get(f"{LIST}{account.pk}/")
        assert len(captured) == 5


@pytest.mark.django_db
class TestTicket:
    def test_an_account_that_is_not_ready_refuses_the_ticket(self, alice, redis_client):
        stage = Stage(alice, redis_client)
        account = live(alice)
        client = stage.client
        client.post("/console/account-switch/", {"account": account.pk})
        entries = LedgerEntry.objects.count()
        order = {
            "side": "BUY",
            "order_type": "LIMIT",
            "time_in_force": "GTC",
            "quantity": "1",
            "price": "250",
        }
        response = client.post(f"/console/ticket/{stage.instrument.pk}/place/", order)
        assert response.status_code == 422
        assert "Live trading is not open on this account" in response.text
        assert not Order.objects.exists()
        assert LedgerEntry.objects.count() == entries
        client.post("/console/account-switch/", {"account": ""})
        response = client.post(f"/console/ticket/{stage.instrument.pk}/place/", order)
        assert response.status_code == 200
        placed = Order.objects.get()
        assert (placed.venue_account, placed.price) == (stage.account, Decimal(250))
