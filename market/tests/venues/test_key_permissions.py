"""What a venue says of a key, over real HTTP, and what is made of every way it can fail to."""

import json
import logging
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from market.domain.credentials import Finding
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
from market.venues import key_permissions
from market.venues.key_permissions import (
    Answer,
    check_binance_futures,
    check_binance_spot,
    check_of,
    read_restrictions,
)

RIGHTS = "/sapi/v1/account/apiRestrictions"
SPOT = "/api/v3/account"
FUTURES = "/fapi/v2/account"


@pytest.fixture
def venue(now):
    double = BinanceDouble(now)
    with serving(double) as address:
        double.address = address
        yield double


def spot(venue, now, credentials=CREDENTIALS):
    return check_binance_spot(venue.address, credentials, now=now)


def test_a_key_that_only_trades_is_taken(venue, now):
    venue.answers[RIGHTS] = RESTRICTIONS
    report = spot(venue, now)
    assert report.finding is Finding.TRADE_ONLY
    assert venue.asked == [RIGHTS]
    milliseconds = str(int(now.timestamp() * 1000))
    assert venue.queries[0]["timestamp"] == milliseconds
    assert venue.queries[0]["recvWindow"] == "5000"
    assert len(venue.queries[0]["signature"]) == 64
    assert "Restrict it to the address" in report.words
    venue.answers[RIGHTS] = RESTRICTIONS | {"ipRestrict": True}
    assert "fixed addresses only" in spot(venue, now).words


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("enableWithdrawals", "withdraw money"),
        ("enableInternalTransfer", "transfer money to other accounts"),
        ("permitsUniversalTransfer", "transfer money between wallets"),
    ],
)
def test_a_key_that_moves_money_is_refused(venue, now, right, words):
    venue.answers[RIGHTS] = RESTRICTIONS | {right: True}
    report = spot(venue, now)
    assert report.finding is Finding.REFUSED
    assert words in report.words


def test_a_key_that_cannot_trade_is_refused(venue, now):
    venue.answers[RIGHTS] = RESTRICTIONS | {"enableSpotAndMarginTrading": False}
    assert spot(venue, now).finding is Finding.REFUSED


def test_the_testnet_cannot_tell_about_withdrawals_and_says_so(venue, now):
    venue.answers[SPOT] = ACCOUNT
    report = spot(venue, now)
    assert report.finding is Finding.CANNOT_TELL
    assert "does not say whether a key may withdraw" in report.words
    assert venue.asked == [RIGHTS, SPOT]
    venue.answers[SPOT] = ACCOUNT | {"canTrade": False}
    assert spot(venue, now).finding is Finding.REFUSED


def test_futures_ask_their_own_account(venue, now):
    venue.answers[FUTURES] = {"canTrade": True, "canWithdraw": True, "assets": []}
    report = check_binance_futures(venue.address, CREDENTIALS, now=now)
    assert report.finding is Finding.CANNOT_TELL
    assert venue.asked == [FUTURES]


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (replace(CREDENTIALS, key="short"), "does not know this key"),
        (replace(CREDENTIALS, key="x" * 64), "refuses this key"),
        (replace(CREDENTIALS, secret="x" * 64), "does not belong to the key"),
    ],
)
def test_a_key_that_does_not_work_is_refused(venue, now, credentials, words):
    venue.answers[RIGHTS] = RESTRICTIONS
    report = spot(venue, now, credentials)
    assert report.finding is Finding.REFUSED
    assert words in report.words


@pytest.mark.parametrize("seconds", [-3600, 30])
def test_a_clock_that_differs_is_not_the_keys_fault(venue, now, seconds):
    venue.answers[RIGHTS] = RESTRICTIONS
    with pytest.raises(VenueUnavailable, match="clock"):
        spot(venue, now + timedelta(seconds=seconds))


FAILURES = {
    "500": error(-1000, status=500),
    "502 of a proxy": (502, b"<html>Bad gateway</html>"),
    "503 that names the key": error(-2015, status=503),
    "429": error(-1003, status=429),
    "418": error(-1003, status=418),
    "403 of a firewall": (403, b"<html>Request blocked</html>"),
    "an unknown error": error(-1, status=400),
    "a code that is no number": (400, b'{"code": [], "msg": "x"}'),
    "200 with a page": (200, b"<html>Welcome</html>"),
    "200 with half an answer": (200, json.dumps(RESTRICTIONS).encode()[:-20]),
    "200 with a list": (200, b"[]"),
    "200 with nothing": (200, b""),
    "200 with bytes": (200, bytes(range(256))),
    "200 with a deep answer": (200, b"[" * 100_000),
    "200 without the right": (200, b'{"enableSpotAndMarginTrading": true}'),
    "a right that is a text": (
        200,
        json.dumps(RESTRICTIONS | {"enableWithdrawals": "false"}).encode(),
    ),
    "a right that is nothing": (
        200,
        json.dumps(RESTRICTIONS | {"enableWithdrawals": None}).encode(),
    ),
    "somewhere else": (302, b"http://127.0.0.1:1/sapi/v1/account/apiRestrictions"),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES.keys())
def test_what_is_no_answer_says_nothing_about_the_key(venue, now, answer):
    venue.answers[RIGHTS] = answer
    venue.answers[SPOT] = ACCOUNT
    with pytest.raises(VenueUnavailable):
        spot(venue, now)
    assert venue.asked == [RIGHTS]


def test_a_venue_that_hangs_is_left(venue, now, monkeypatch):
    assert httpx.Timeout(5.0, connect=2.0) == key_permissions.TIMEOUT
    monkeypatch.setattr(key_permissions, "TIMEOUT", httpx.Timeout(0.1, connect=0.1))
    venue.hangs.clear()
    with pytest.raises(VenueUnavailable, match="did not answer"):
        spot(venue, now)


def test_a_venue_that_is_not_there(now):
    with pytest.raises(VenueUnavailable, match="did not answer"):
        check_binance_spot("http://127.0.0.1:1", CREDENTIALS, now=now)


def test_an_answer_without_end_is_cut(venue, now, monkeypatch):
    monkeypatch.setattr(key_permissions, "LARGEST_ANSWER", 100)
    venue.answers[RIGHTS] = RESTRICTIONS
    with pytest.raises(VenueUnavailable, match="no end"):
        spot(venue, now)


def test_nobody_sees_key_or_secret(venue, now, caplog):
    caplog.set_level(logging.DEBUG)
    venue.answers[RIGHTS] = error(-2015)
    report = spot(venue, now)
    venue.answers[RIGHTS] = (500, b"")
    with pytest.raises(VenueUnavailable) as caught:
        spot(venue, now)
    said = f"{caplog.text}{CREDENTIALS!r}{CREDENTIALS}{report}{caught.value!r}"
    assert KEY not in said
    assert SECRET not in said


def test_only_what_is_listed_refuses_or_clears_a_key():
    # Every right the venue may add later is ignored: three of them, and trading, decide.
    for name in RESTRICTIONS:
        flipped = RESTRICTIONS | {name: not RESTRICTIONS[name]}
        finding = read_restrictions(Answer(200, flipped)).finding
        decides = {"enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer"}
        expected = Finding.REFUSED if name in decides | {"enableSpotAndMarginTrading"} else None
        assert finding is (expected or Finding.TRADE_ONLY), name


def test_a_broker_that_cannot_be_asked():
    assert check_of("KITE") is None
    assert check_of("PAPER") is None
