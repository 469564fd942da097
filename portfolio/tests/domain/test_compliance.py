"""The rules of each profile, and what is missing before a live order may leave."""

from datetime import timedelta
from itertools import product

import pytest

from market.domain.enums import AccountMode
from portfolio.domain.compliance import (
    RULES,
    AlgoId,
    BotRule,
    ComplianceProfile,
    EvidenceKind,
    bot_defect,
    evidence_defect,
    hold_defect,
    missing_evidence,
    profile_defect,
    rules_of,
)
from portfolio.domain.connections import CONNECTIONS, connection_of

P, E = ComplianceProfile, EvidenceKind
TABLE = [
    # profile, mode, bots, algo id, factor in every session, static address, staff confirms
    (P.PAPER, "PAPER", "AUTOMATIC", "NONE", False, False, False),
    (P.CRYPTO_TESTNET, "TESTNET", "AUTOMATIC", "NONE", False, False, False),
    (P.IN_MANUAL, "LIVE", "AFTER_APPROVAL", "GENERIC", True, True, False),
    (P.IN_OWN_ALGO, "LIVE", "AUTOMATIC", "GENERIC", True, True, False),
    (P.IN_REGISTERED_ALGO, "LIVE", "AUTOMATIC", "REGISTERED", True, True, True),
]
PAPERS = [E.STATIC_ADDRESS, E.BROKER_CONFIRMATION, E.ALGO_REGISTRATION]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_the_rules(row):
    profile, mode, bots, algo_id, factor, address, staff = row
    rules = RULES[profile]
    assert (rules.mode, rules.bots, rules.algo_id) == (
        AccountMode(mode),
        BotRule(bots),
        AlgoId(algo_id),
    )
    assert rules.factor_every_session is factor
    assert rules.static_address is address
    assert rules.staff_confirms is staff
    assert rules.is_live is (mode == "LIVE")


def test_all_profiles_have_rules_and_live_ones_ask_for_an_address_and_a_number():
    assert set(RULES) == set(ComplianceProfile)
    live = [rules for rules in RULES.values() if rules.is_live]
    assert len(live) == 3
    for rules in live:
        assert rules.factor_every_session
        assert E.STATIC_ADDRESS in rules.evidence
        assert rules.algo_id is not AlgoId.NONE


def test_a_mode_takes_its_own_profiles_only():
    allowed = {
        (mode, profile)
        for mode, profile in product(AccountMode, ComplianceProfile)
        if profile_defect(profile, mode) is None
    }
    assert allowed == {(rules.mode, profile) for profile, rules in RULES.items()}
    assert len(allowed) == 5


@pytest.mark.parametrize("profile", ["", "PAPER", "CRYPTO_TESTNET", "live", "IN_MANUAL "])
def test_live_without_a_profile_is_refused_with_the_reason(profile):
    assert profile_defect(profile, AccountMode.LIVE) == (
        "Live trading needs a compliance profile: say under which rules this account trades"
    )


def test_papers_that_each_profile_needs():
    assert missing_evidence(P.PAPER, []) == []
    assert missing_evidence(P.CRYPTO_TESTNET, []) == []
    assert missing_evidence(P.IN_MANUAL, []) == [E.STATIC_ADDRESS]
    assert missing_evidence(P.IN_OWN_ALGO, []) == [E.STATIC_ADDRESS, E.BROKER_CONFIRMATION]
    assert missing_evidence(P.IN_REGISTERED_ALGO, []) == [*PAPERS, E.STAFF_CONFIRMATION]
    assert missing_evidence(P.IN_OWN_ALGO, [E.BROKER_CONFIRMATION]) == [E.STATIC_ADDRESS]


def test_staff_confirms_the_papers_before_and_a_later_one_voids_it():
    confirmed = [*PAPERS, E.STAFF_CONFIRMATION]
    assert missing_evidence(P.IN_REGISTERED_ALGO, confirmed) == []
    for later in PAPERS:
        again = [*confirmed, later]
        assert missing_evidence(P.IN_REGISTERED_ALGO, again) == [E.STAFF_CONFIRMATION]
    assert missing_evidence(P.IN_REGISTERED_ALGO, [E.STAFF_CONFIRMATION, *PAPERS]) == [
        E.STAFF_CONFIRMATION
    ]


def test_what_is_missing_is_named_in_one_sentence():
    assert evidence_defect(P.PAPER, []) is None
    assert evidence_defect(P.IN_OWN_ALGO, []) == (
        "Live trading is not open on this account: the static IP address registered with your "
        "broker and your broker's confirmation must be on record first"
    )


def test_a_hold_ends_by_the_clock(now):
    assert hold_defect(None, now=now) is None
    assert hold_defect(now, now=now) is None
    assert hold_defect(now + timedelta(seconds=1), now=now) == (
        "Live trading rests until 02 Mar 2026, 04:30 UTC, because your second factor was taken off"
    )


def test_bots_trade_by_themselves_except_where_a_person_decides():
    refused = [profile for profile in ComplianceProfile if bot_defect(profile)]
    assert refused == [P.IN_MANUAL]


def test_venues_to_connect():
    assert set(CONNECTIONS) == {"BINANCE_TESTNET", "BINANCEFUT_TESTNET", "KITE"}
    assert connection_of("PAPER") is None
    for venue, connection in CONNECTIONS.items():
        assert venue == connection.venue
        assert connection.profiles
        assert all(rules_of(each).mode is connection.mode for each in connection.profiles)
        assert connection.is_live is (venue == "KITE")
        assert "later release" in connection.waiting
        assert len(connection.waiting) <= 200
