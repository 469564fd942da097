"""The one table from exception class to what the API answers (kite-api.md 1.3, decisions 35)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from redis.exceptions import RedisError

from accounts import exceptions as accounts
from api import exceptions as api
from api.envelope import failure
from bots import exceptions as bots
from market import exceptions as market
from portfolio import exceptions as portfolio


@dataclass(frozen=True, slots=True)
class WireError:
    """How an error leaves: status, error type, and our words where its own stay inside."""

    status: int
    error_type: str
    message: str | None = None


_OUR_FAULT = WireError(500, "GeneralException", "Something went wrong on our side.")
_INPUT = WireError(400, "InputException")
_NOT_FOUND = WireError(404, "GeneralException")
_RETRY_SECONDS = "2"

TABLE: dict[type[Exception], WireError] = {
    accounts.AccountsError: _OUR_FAULT,
    accounts.InvalidInput: _INPUT,
    accounts.SignUpRefused: _INPUT,
    accounts.NotFound: _NOT_FOUND,
    accounts.Refused: WireError(403, "PermissionException"),
    accounts.StepUpNeeded: WireError(403, "TwoFAException"),
    accounts.CodeRefused: WireError(403, "TwoFAException"),
    accounts.TooManyGuesses: WireError(429, "NetworkException"),
    accounts.TokenRefused: WireError(403, "TokenException"),
    accounts.ChecksumRefused: WireError(403, "TokenException"),
    accounts.AuditChainBroken: _OUR_FAULT,
    market.MarketError: _OUR_FAULT,
    market.InstrumentNotFound: _INPUT,
    market.InstrumentConflict: _INPUT,
    market.QuoteUnavailable: WireError(503, "NetworkException"),
    market.SourceBusy: WireError(503, "GeneralException"),
    market.UnreadableFile: _INPUT,
    market.VenueUnavailable: WireError(502, "NetworkException"),
    portfolio.PortfolioError: _OUR_FAULT,
    portfolio.InvalidOrder: _INPUT,
    portfolio.InsufficientFunds: WireError(400, "MarginException"),
    portfolio.InsufficientUnits: WireError(400, "HoldingException"),
    portfolio.AccountTakesNoOrders: WireError(400, "OrderException"),
    portfolio.AccountRefused: WireError(400, "OrderException"),
    portfolio.AccountNotFound: _NOT_FOUND,
    portfolio.KeyRefused: _INPUT,
    portfolio.OrderNotFound: _NOT_FOUND,
    portfolio.OrderNotChangeable: WireError(400, "OrderException"),
    portfolio.ChangeDenied: WireError(400, "OrderException"),
    portfolio.NoAuction: WireError(400, "OrderException"),
    portfolio.TriggerNotFound: _NOT_FOUND,
    portfolio.TriggerNotChangeable: WireError(400, "OrderException"),
    portfolio.AlertNotFound: _NOT_FOUND,
    portfolio.IdempotencyConflict: _INPUT,
    portfolio.TransitionRefused: _OUR_FAULT,
    portfolio.StaleFence: _OUR_FAULT,
    portfolio.LedgerImbalance: _OUR_FAULT,
    portfolio.VenueCallInTransaction: _OUR_FAULT,
    bots.BotsError: _OUR_FAULT,
    bots.InvalidParameter: _INPUT,
    bots.BotNotFound: _NOT_FOUND,
    bots.BotNotReady: WireError(400, "OrderException"),
    bots.UnknownBotKind: _INPUT,
    api.ApiError: _OUR_FAULT,
    api.RateExceeded: WireError(429, "NetworkException"),
    api.RatesUnknown: WireError(503, "NetworkException"),
    api.OrderDenied: WireError(400, "OrderException"),
    OperationalError: WireError(503, "GeneralException", "The database does not answer now."),
    InterfaceError: WireError(503, "GeneralException", "The database does not answer now."),
    RedisError: WireError(503, "NetworkException", "Live data are not reachable now."),
}

# What an answer without an exception of ours means: made by Django before or after the view.
_BY_STATUS: dict[int, WireError] = {
    400: WireError(400, "InputException", "The request could not be read."),
    403: WireError(403, "PermissionException", "This is not allowed."),
    404: WireError(404, "GeneralException", "There is nothing at this address."),
    405: WireError(405, "GeneralException", "This address does not take this method."),
    413: WireError(400, "InputException", "The request is too large."),
    429: WireError(429, "NetworkException", "Too many requests"),
    503: WireError(503, "GeneralException", "Not available now."),
}
_REDIRECT = WireError(400, "InputException", "The API does not redirect. Use its exact address.")
_DETAILS = (
    *("field", "code", "minimum", "maximum", "asset", "needed", "available"),
    *("limit", "window", "budget", "retry_after", "order_id", "owners"),
)


def wire_error(error: Exception) -> WireError:
    """Return how this error leaves; what nobody mapped is our fault."""
    for known in type(error).__mro__:
        found = TABLE.get(known)
        if found is not None:
            return found
    return _OUR_FAULT


def error_data(error: Exception) -> dict[str, str] | None:
    """Return what a program can read: field, code, limits, what is missing; all as text."""
    found = {name: getattr(error, name, None) for name in _DETAILS}
    told = {name: _text(value) for name, value in found.items() if value is not None}
    return told or None


def error_response(error: Exception) -> HttpResponse:
    """Return the envelope of an error."""
    wire = wire_error(error)
    inside = wire.message is not None
    return failure(
        wire.status,
        wire.error_type,
        wire.message or str(error) or type(error).__name__,
        data=None if inside else error_data(error),
        headers=_headers(wire.status, seconds=getattr(error, "seconds", None)),
    )


def status_response(status: int) -> HttpResponse:
    """Return the envelope of a refusal that Django made, or of a redirect."""
    if 300 <= status < 400:
        wire = _REDIRECT
    else:
        wire = _BY_STATUS.get(status, _BY_STATUS[400] if status < 500 else _OUR_FAULT)
    return failure(wire.status, wire.error_type, wire.message or "", headers=_headers(wire.status))


def _headers(status: int, *, seconds: int | None = None) -> dict[str, str]:
    return {"Retry-After": str(seconds or _RETRY_SECONDS)} if status in {429, 503} else {}


def _text(value: Any) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
