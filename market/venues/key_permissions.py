"""Asks a venue what an API key may do: it must trade and must not move money.

One signed question over HTTPS, and a second one where the venue does not know the first. Nothing
here writes, and no answer is trusted further than its words: what is missing or of another shape
counts as not answered.
"""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx

from market.domain.credentials import Credentials, Finding, KeyReport
from market.exceptions import VenueUnavailable

TIMEOUT = httpx.Timeout(5.0, connect=2.0)
RECEIVE_WINDOW_MS = 5000
# A read may take 5 s each; all of them together no longer than this.
LONGEST_SECONDS = 10.0
# An answer about one key has a few hundred bytes; the futures account lists every market.
LARGEST_ANSWER = 4 * 1024 * 1024

_CLOCK = -1021
# Bad key, bad signature, no such key, or no right from this address.
_KEY_ERRORS = {
    -1022: "The secret does not belong to the key. Copy both once more.",
    -2008: "The venue does not know this key. Copy it once more.",
    -2014: "The venue does not know this key. Copy it once more.",
    -2015: (
        "The venue refuses this key: it is wrong or deleted, it may not be used from the address "
        "of this server, or it lacks the right to read."
    ),
}
# What a trade-only key must not be allowed, in the venue's words and in ours.
_MOVES_MONEY = {
    "enableWithdrawals": "withdraw money",
    "enableInternalTransfer": "transfer money to other accounts",
    "permitsUniversalTransfer": "transfer money between wallets",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status and, where it was JSON, the object."""

    status: int
    body: Mapping[str, Any] | None


def check_binance_spot(address: str, credentials: Credentials, *, now: datetime) -> KeyReport:
    """Ask Binance spot or its testnet; raises `VenueUnavailable` where it does not say."""
    answer = _ask(address, "/sapi/v1/account/apiRestrictions", credentials, now=now)
    # The testnet has no /sapi: then only the account can be asked.
    if answer.status == httpx.codes.NOT_FOUND:
        return read_account(_ask(address, "/api/v3/account", credentials, now=now))
    return read_restrictions(answer)


def check_binance_futures(address: str, credentials: Credentials, *, now: datetime) -> KeyReport:
    """Ask the futures testnet; raises `VenueUnavailable` where it does not say."""
    return read_account(_ask(address, "/fapi/v2/account", credentials, now=now))


Check = Callable[..., KeyReport]
_CHECKS: Mapping[str, Check] = {
    "BINANCE_TESTNET": check_binance_spot,
    "BINANCEFUT_TESTNET": check_binance_futures,
}


def check_of(venue: str) -> Check | None:
    """Return how a venue is asked; None where it has nothing to ask."""
    return _CHECKS.get(venue)


# ------------------------------------------------------------------------------- what was said


def read_restrictions(answer: Answer) -> KeyReport:
    """Judge a key by the venue's list of its rights."""
    body = _settled(answer)
    if isinstance(body, KeyReport):
        return body
    rights = {name: _flag(body, name) for name in (*_MOVES_MONEY, "enableSpotAndMarginTrading")}
    too_much = [words for name, words in _MOVES_MONEY.items() if rights[name]]
    if too_much:
        words = f"This key may {' and '.join(too_much)}. Make one that may only read and trade."
        return KeyReport(Finding.REFUSED, words)
    if not rights["enableSpotAndMarginTrading"]:
        return KeyReport(Finding.REFUSED, "This key may not trade. Allow it spot trading.")
    bound = (
        "It works from fixed addresses only."
        if body.get("ipRestrict") is True
        else "Restrict it to the address of this server to be safer."
    )
    return KeyReport(Finding.TRADE_ONLY, f"It may trade and cannot move money. {bound}")


def read_account(answer: Answer) -> KeyReport:
    """Judge a key by the account it opens; that does not tell whether it could withdraw."""
    body = _settled(answer)
    if isinstance(body, KeyReport):
        return body
    if not _flag(body, "canTrade"):
        return KeyReport(Finding.REFUSED, "The venue does not let this account trade.")
    return KeyReport(
        Finding.CANNOT_TELL,
        "It works and the account may trade. This venue does not say whether a key may withdraw.",
    )


def _settled(answer: Answer) -> Mapping[str, Any] | KeyReport:
    """Return the answer's object, or the report where the key itself is refused."""
    if answer.body is None:
        raise VenueUnavailable(f"The venue answered {answer.status} and nothing readable.")
    code = answer.body.get("code")
    if code == _CLOCK:
        raise VenueUnavailable("The clock of this server differs from the venue's.")
    if 400 <= answer.status < 500 and isinstance(code, int) and code in _KEY_ERRORS:
        return KeyReport(Finding.REFUSED, _KEY_ERRORS[code])
    if answer.status != httpx.codes.OK:
        raise VenueUnavailable(f"The venue answered {answer.status}.")
    return answer.body


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        raise VenueUnavailable(f"The venue's answer does not say {name}.")
    return value


# ------------------------------------------------------------------------------- the question


def signed_query(credentials: Credentials, *, now: datetime) -> str:
    """Return the query with its HMAC-SHA256, good for the receive window."""
    milliseconds = int(now.timestamp() * 1000)
    query = urlencode({"recvWindow": RECEIVE_WINDOW_MS, "timestamp": milliseconds})
    signature = hmac.new(credentials.secret.encode(), query.encode(), sha256).hexdigest()
    return f"{query}&signature={signature}"


def _ask(address: str, path: str, credentials: Credentials, *, now: datetime) -> Answer:
    url = f"{address}{path}?{signed_query(credentials, now=now)}"
    headers = {"X-MBX-APIKEY": credentials.key, "Accept-Encoding": "identity"}
    try:
        # trust_env off: a key goes to the venue and through nobody's proxy.
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            return Answer(response.status_code, _object(_body_of(response)))
    except httpx.HTTPError as error:
        raise VenueUnavailable(f"The venue did not answer ({type(error).__name__}).") from error


def _body_of(response: httpx.Response) -> bytes:
    body, began = bytearray(), time.monotonic()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER or time.monotonic() - began > LONGEST_SECONDS:
            raise VenueUnavailable("The venue's answer has no end.")
    return bytes(body)


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
