"""Log-ins of apps: tokens for a request token, renewal, log-out (kite-api.md 1.2).

Authorization headers and cookies are not looked at: a stale one is still attached when a program
logs in again.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django_ratelimit.core import get_usage
from rest_framework import serializers
from rest_framework.request import Request

from accounts.domain.client_address import client_address
from accounts.exceptions import ChecksumRefused, TooManyGuesses
from accounts.services.api_sessions import OpenedSession, SignedRequest, exchange, log_out, renew
from api.envelope import success
from api.schema import documented
from api.serializers.user import RenewalData, SessionData, renewal_of, session_of
from api.views.base import ApiView, required

# Wrong checksums only; who has the secret never waits.
_WRONG_RATE = "30/m"


def _text(meaning: str, *, required: bool = True) -> Any:
    return serializers.CharField(required=required, help_text=meaning)


class ExchangeForm(serializers.Serializer[Any]):
    """A log-in to be exchanged."""

    api_key = _text("The app's key")
    request_token = _text("From the log-in; works once, within five minutes")
    checksum = _text("Hex SHA-256 of api_key + request_token + api_secret")


class RenewalForm(serializers.Serializer[Any]):
    """A session to be renewed."""

    api_key = _text("The app's key")
    refresh_token = _text("From the last log-in or renewal; works once")
    checksum = _text("Hex SHA-256 of api_key + refresh_token + api_secret")


class LogOutQuery(serializers.Serializer[Any]):
    """A session to be ended, named by one of its tokens."""

    api_key = _text("The app's key")
    access_token = _text("The session's token", required=False)
    refresh_token = _text("Or the token that renews it", required=False)


@method_decorator(never_cache, name="dispatch")
class SessionToken(ApiView):
    """POST and DELETE /session/token."""

    authentication_classes = []
    holds_secrets = True

    @documented(
        "Exchange a request token for a session",
        data=SessionData,
        form=ExchangeForm,
        errors=(400,),
        tag="Session",
        auth=[],
    )
    def post(self, request: Request) -> HttpResponse:
        """Exchange a request token for a session."""
        return success(session_of(_opened(request, "request_token")))

    @documented(
        "End a session",
        data=serializers.BooleanField(),
        query=LogOutQuery,
        errors=(400,),
        tag="Session",
        auth=[],
    )
    def delete(self, request: Request) -> HttpResponse:
        """End a session."""
        query = request.query_params
        access_token = query.get("access_token", "")
        log_out(
            required(query, "api_key"),
            access_token=access_token,
            refresh_token="" if access_token else required(query, "refresh_token"),
            client_address=client_address(request.META),
            now=timezone.now(),
        )
        return success(data=True)


@method_decorator(never_cache, name="dispatch")
class RefreshToken(ApiView):
    """POST /session/refresh_token."""

    authentication_classes = []
    holds_secrets = True

    @documented(
        "Renew a session",
        data=RenewalData,
        form=RenewalForm,
        errors=(400,),
        tag="Session",
        auth=[],
    )
    def post(self, request: Request) -> HttpResponse:
        """Give a session new tokens."""
        return success(renewal_of(_opened(request, "refresh_token")))


def _opened(request: Request, token_name: str) -> OpenedSession:
    signed = SignedRequest(
        api_key=required(request.data, "api_key"),
        token=required(request.data, token_name),
        checksum=required(request.data, "checksum"),
        client_address=client_address(request.META),
    )
    _require_patience(request._request, signed)  # noqa: SLF001 - DRF's own name of Django's request
    act = exchange if token_name == "request_token" else renew  # noqa: S105 - a field's name
    try:
        return act(signed, now=timezone.now())
    except ChecksumRefused:
        _count_wrong(request._request, signed)  # noqa: SLF001
        raise


def _require_patience(request: HttpRequest, signed: SignedRequest) -> None:
    used = _usage(request, signed, counts=False)
    if used is not None and used["count"] >= used["limit"]:
        raise TooManyGuesses(
            "Too many wrong checksums from this address.", seconds=max(1, used["time_left"])
        )


def _count_wrong(request: HttpRequest, signed: SignedRequest) -> None:
    _usage(request, signed, counts=True)


def _usage(request: HttpRequest, signed: SignedRequest, *, counts: bool) -> dict[str, int] | None:
    """Count per address and app: a stranger cannot use up an app's tries from elsewhere."""
    used: dict[str, int] | None = get_usage(
        request,
        group="api.checksum",
        key=lambda _group, _request: f"{signed.client_address} {signed.api_key}",
        rate=_WRONG_RATE,
        increment=counts,
    )
    return used
