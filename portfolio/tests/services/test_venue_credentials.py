"""Keys go in checked and sealed; what is refused or cannot be checked leaves nothing behind."""

import logging
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from accounts.domain.roles import SecondFactorRule
from accounts.exceptions import TokenRefused
from accounts.models import AuditEvent
from accounts.services.api_sessions import authenticate, exchange
from accounts.tests.api_apps import agree, make_app
from accounts.tests.factors import enrol
from market.domain.credentials import Credentials, Finding
from market.exceptions import VenueUnavailable
from market.tests.venues.binance_double import (
    ACCOUNT,
    CREDENTIALS,
    KEY,
    RESTRICTIONS,
    SECRET,
    BinanceDouble,
    error,
    serving,
)
from portfolio.domain.compliance import EvidenceKind
from portfolio.domain.connections import CONNECTIONS
from portfolio.exceptions import (
    AccountNotFound,
    AccountRefused,
    KeyRefused,
    VenueCallInTransaction,
)
from portfolio.models import Book, ComplianceEvidence, KillSwitch, VenueAccount, VenueCredentials
from portfolio.services.compliance import Act, Paper
from portfolio.services.venue_credentials import (
    Wish,
    check_again,
    check_key,
    connect_account,
    remove_key,
    replace_key,
)

RIGHTS = "/sapi/v1/account/apiRestrictions"
SPOT = CONNECTIONS["BINANCE_TESTNET"]
KITE = CONNECTIONS["KITE"]
KITE_KEYS = Credentials(key="abcdefgh12345678", secret="kitesecret0123456789kitesecret01")
ADDRESS = Paper(EvidenceKind.STATIC_ADDRESS, "203.0.113.7", date(2026, 3, 1))
BROKER = Paper(EvidenceKind.BROKER_CONFIRMATION, "mail of 1 March", date(2026, 3, 1))


@pytest.fixture
def venue(now, settings):
    double = BinanceDouble(now)
    double.answers[RIGHTS] = RESTRICTIONS
    with serving(double) as address:
        settings.VENUE_ADDRESSES = {"BINANCE_TESTNET": address, "BINANCEFUT_TESTNET": address}
        yield double


@pytest.fixture(autouse=True)
def keys(settings):
    settings.FIELD_KEYS = ["a key of this test " * 3]


def act(user, now):
    return Act(actor=user, owner=user, client_address="127.0.0.1", now=now)


def wish(connection=SPOT, *, name="Mine", profile="CRYPTO_TESTNET", papers=(), key=CREDENTIALS):
    return Wish(
        connection=connection, name=name, profile=profile, credentials=key, papers=tuple(papers)
    )


def nothing_stored():
    return not (
        VenueAccount.objects.exists()
        or VenueCredentials.objects.exists()
        or Book.objects.exists()
        or ComplianceEvidence.objects.exists()
    )


def kinds():
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


def test_a_testnet_account_is_connected_and_takes_no_orders_yet(real_db, alice, venue, now):
    account = connect_account(wish(), act=act(alice, now))
    account.refresh_from_db()
    assert (account.mode, account.compliance_profile) == ("TESTNET", "CRYPTO_TESTNET")
    assert (account.status, account.status_reason) == ("NOT_READY", SPOT.waiting)
    stored = VenueCredentials.objects.get()
    assert (stored.hint, stored.finding, stored.checked_at) == (KEY[-4:], "TRADE_ONLY", now)
    assert Book.objects.get().venue_account == account
    assert KillSwitch.objects.filter(scope="VENUE_ACCOUNT", key=account.pk).exists()
    alice.refresh_from_db()
    assert alice.second_factor_rule == SecondFactorRule.NEW_DEVICE
    event = AuditEvent.objects.get()
    assert (event.kind, event.target) == ("venue_account_connected", f"venue account {account.pk}")
    assert event.detail == {
        "venue": "BINANCE_TESTNET",
        "profile": "CRYPTO_TESTNET",
        "finding": "TRADE_ONLY",
    }


@pytest.mark.parametrize(
    "right", ["enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"]
)
def test_a_key_that_moves_money_is_refused_and_nothing_stored(real_db, alice, venue, now, right):
    venue.answers[RIGHTS] = RESTRICTIONS | {right: True}
    with pytest.raises(KeyRefused, match="only read and trade"):
        connect_account(wish(), act=act(alice, now))
    assert nothing_stored()
    assert kinds() == ["venue_key_refused"]
    assert AuditEvent.objects.get().target == ""
    assert KEY[-4:] not in str(AuditEvent.objects.values())


def test_what_cannot_be_checked_now_is_not_kept(real_db, alice, venue, now):
    for answer in (
        error(-1000, status=500),
        (200, b"<html>"),
        (403, b""),
        error(-1003, status=429),
    ):
        venue.answers[RIGHTS] = answer
        with pytest.raises(VenueUnavailable):
            connect_account(wish(), act=act(alice, now))
    assert nothing_stored()
    assert kinds() == []


@pytest.mark.django_db
def test_no_venue_is_asked_inside_a_transaction(venue, now):
    with transaction.atomic(), pytest.raises(VenueCallInTransaction):
        check_key("BINANCE_TESTNET", CREDENTIALS, now=now)
    assert venue.asked == []


def test_live_asks_for_profile_papers_factor_and_no_hold(real_db, alice, now):
    def refused(**values):
        with pytest.raises(AccountRefused) as caught:
            connect_account(wish(KITE, key=KITE_KEYS, **values), act=act(alice, now))
        return caught.value.field, str(caught.value)

    for profile in ("", "PAPER", "CRYPTO_TESTNET"):
        assert refused(profile=profile) == (
            "profile",
            "Live trading needs a compliance profile: say under which rules this account trades.",
        )
    assert refused(profile="IN_MANUAL") == (
        "static_address",
        "This profile asks for the static IP address registered with your broker.",
    )
    assert refused(profile="IN_OWN_ALGO", papers=[ADDRESS])[0] == "broker_confirmation"
    both = [ADDRESS, BROKER]
    assert refused(profile="IN_REGISTERED_ALGO", papers=both)[0] == "algo_registration"
    assert refused(profile="IN_MANUAL", papers=[ADDRESS]) == (
        "profile",
        "Live trading needs a second factor: add one first.",
    )
    enrol(alice)
    alice.live_hold_until = now + timedelta(hours=1)
    assert refused(profile="IN_MANUAL", papers=[ADDRESS])[1].startswith("Live trading rests until")
    assert nothing_stored()
    assert kinds() == []


def test_a_live_account_raises_the_rule_of_its_user(real_db, alice, bob, now):
    enrol(alice)
    wanted = wish(KITE, key=KITE_KEYS, profile="IN_OWN_ALGO", papers=[ADDRESS, BROKER])
    account = connect_account(wanted, act=act(alice, now))
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert alice.second_factor_rule == SecondFactorRule.EVERY_SESSION
    assert bob.second_factor_rule == SecondFactorRule.NEW_DEVICE
    assert (account.mode, account.status) == ("LIVE", "NOT_READY")
    stored = VenueCredentials.objects.get()
    assert (stored.finding, stored.checked_at) == ("NOT_CHECKED", None)
    assert list(ComplianceEvidence.objects.order_by("pk").values_list("kind", flat=True)) == [
        "STATIC_ADDRESS",
        "BROKER_CONFIRMATION",
    ]
    assert kinds() == ["second_factor_rule_raise", "venue_account_connected"]


def test_a_live_account_ends_the_programs_that_were_let_in_before(real_db, alice, bob, now):
    enrol(alice)
    made = make_app(alice, now=now)
    mine = exchange(made.signed(agree(made, alice, now=now)), now=now)
    his = exchange(made.signed(agree(made, bob, now=now)), now=now)
    unused = agree(made, alice, now=now)
    wanted = wish(KITE, key=KITE_KEYS, profile="IN_MANUAL", papers=[ADDRESS])
    connect_account(wanted, act=act(alice, now))
    key = made.app.api_key
    with pytest.raises(TokenRefused):
        authenticate(key, mine.access_token, client_address=None, now=now)
    with pytest.raises(TokenRefused):
        exchange(made.signed(unused), now=now)
    assert authenticate(key, his.access_token, client_address=None, now=now).user == bob
    again = exchange(made.signed(agree(made, alice, now=now)), now=now)
    connect_account(replace(wanted, name="Second"), act=act(alice, now))
    assert authenticate(key, again.access_token, client_address=None, now=now).user == alice


def test_a_testnet_takes_no_live_profile_and_a_name_is_used_once(real_db, alice, venue, now):
    with pytest.raises(AccountRefused, match="A testnet account has the profile CRYPTO_TESTNET"):
        connect_account(wish(profile="IN_MANUAL"), act=act(alice, now))
    connect_account(wish(), act=act(alice, now))
    with pytest.raises(AccountRefused, match="an account of this name") as caught:
        connect_account(wish(), act=act(alice, now))
    assert caught.value.field == "name"
    assert VenueAccount.objects.count() == VenueCredentials.objects.count() == 1


def test_a_dump_and_the_source_do_not_reach_the_key(real_db, alice, venue, now, caplog):
    """All there is in the database and in the logs; only FIELD_KEYS opens it."""
    caplog.set_level(logging.DEBUG)
    account = connect_account(wish(), act=act(alice, now))
    replace_key(account.pk, CREDENTIALS, act=act(alice, now))
    rows = "".join(all_rows())
    assert "BINANCE_TESTNET" in rows
    for secret in (KEY, SECRET):
        for part in (secret, secret[:12], secret[-12:]):
            assert part not in rows
            assert part not in caplog.text


def all_rows():
    """Return every row of every table as text, as a dump has them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [row[0] for row in cursor.fetchall()]
        assert "portfolio_venuecredentials" in tables
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - own names
            yield from (row[0] for row in cursor.fetchall())


def test_a_key_is_replaced_checked_and_removed(real_db, alice, venue, now):
    account = connect_account(wish(), act=act(alice, now))
    first = VenueCredentials.objects.get().sealed_key
    replace_key(account.pk, CREDENTIALS, act=act(alice, now))
    assert VenueCredentials.objects.get().sealed_key != first
    later = now + timedelta(milliseconds=500)
    assert check_again(account.pk, act=act(alice, later)).finding is Finding.TRADE_ONLY
    assert VenueCredentials.objects.get().checked_at == later
    venue.answers[RIGHTS] = RESTRICTIONS | {"enableWithdrawals": True}
    assert check_again(account.pk, act=act(alice, later)).finding is Finding.REFUSED
    account.refresh_from_db()
    assert account.status_reason.startswith("This key may withdraw money")
    assert VenueCredentials.objects.get().finding == "REFUSED"
    with pytest.raises(KeyRefused):
        replace_key(account.pk, CREDENTIALS, act=act(alice, later))
    assert VenueCredentials.objects.count() == 1
    VenueCredentials.objects.update(sealed_key="1.00000000.gone")
    with pytest.raises(AccountRefused, match="cannot be opened any more"):
        check_again(account.pk, act=act(alice, later))
    for _ in range(2):
        remove_key(account.pk, act=act(alice, later))
    assert not VenueCredentials.objects.exists()
    account.refresh_from_db()
    assert account.status_reason.startswith("No key is stored")
    with pytest.raises(AccountRefused, match="No key is stored"):
        check_again(account.pk, act=act(alice, later))
    assert kinds() == [
        "venue_account_connected",
        "venue_key_replaced",
        "venue_key_checked",
        "venue_key_checked",
        "venue_key_refused",
        "venue_key_removed",
    ]


def test_somebody_elses_account_does_not_exist(real_db, alice, bob, venue, now):
    account = connect_account(wish(), act=act(alice, now))
    before = VenueCredentials.objects.values().get()
    asked = len(venue.asked)
    with pytest.raises(AccountNotFound):
        replace_key(account.pk, CREDENTIALS, act=act(bob, now))
    with pytest.raises(AccountNotFound):
        remove_key(account.pk, act=act(bob, now))
    with pytest.raises(AccountNotFound):
        check_again(account.pk, act=act(bob, now))
    assert VenueCredentials.objects.values().get() == before
    assert len(venue.asked) == asked
    assert kinds() == ["venue_account_connected"]


def test_the_fallback_says_that_it_cannot_tell(real_db, alice, venue, now):
    venue.answers = {"/api/v3/account": ACCOUNT}
    connect_account(wish(), act=act(alice, now))
    stored = VenueCredentials.objects.get()
    assert stored.finding == "CANNOT_TELL"
    assert "does not say whether a key may withdraw" in stored.finding_words
    assert SECRET not in repr(stored) + str(stored) + repr(wish())
    assert KEY not in repr(stored) + str(stored) + repr(wish())
