"""The log-in of an app: a user agrees, and the browser returns with a request token.

There is no PKCE (trust.md 7, T9): Kite's clients do not send it. The token is of no use without the
app's secret, and returns to the registered address only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.domain.redirect_urls import UrlRefused, echoed, with_parameters
from accounts.domain.tokens import new_token, token_digest
from accounts.exceptions import InvalidInput, NotFound, Refused
from accounts.models import ApiApp, RequestToken, User
from accounts.services import audit
from accounts.services.api_apps import may_use_loopback

TOKEN_LASTS = timedelta(minutes=5)
MOST_OPEN_TOKENS = 30
_ACTION = ("action", "login")


@dataclass(frozen=True, slots=True)
class LogInRequest:
    """What the address of the log-in page asked for; where to return to is not among it."""

    api_key: str
    redirect_params: str = ""
    state: str = ""


def app_of(request: LogInRequest) -> ApiApp:
    """Return the app that asks; raises NotFound, and InvalidInput where it asks for too much."""
    return _judged(ApiApp.objects.all(), request)


def require_safe_return(app: ApiApp, user: User) -> None:
    """Refuse a log-in whose token would return unencrypted to somebody with a live account."""
    if app.redirect_url.startswith("http://") and not may_use_loopback(user):
        raise Refused(
            "This app returns to an unencrypted address. With a live account connected, only apps "
            "with an https address can be let in."
        )


def approve(
    user: User,
    request: LogInRequest,
    *,
    products: Sequence[str],
    session_id: UUID,
    client_address: str | None,
    now: datetime,
) -> str:
    """Let the app in; return the registered address with a token for one exchange.

    `products` is what the user has read and agreed to.
    """
    with transaction.atomic():
        # Locked: it cannot be given more products between the look and the token.
        app = _judged(ApiApp.objects.select_for_update(no_key=True, of=("self",)), request)
        require_safe_return(app, user)
        if list(products) != app.products:
            raise Refused("The app has just changed what it asks for. Read it again.")
        _require_few_tokens(user, now=now)
        token = new_token()
        RequestToken.objects.create(
            app=app,
            user=user,
            session_id=session_id,
            digest=token_digest(token),
            issued_at=now,
            expires_at=now + TOKEN_LASTS,
        )
        _record("api_consent", app, user, client_address=client_address, now=now)
    ours = [("request_token", token), _ACTION, ("status", "success")]
    return with_parameters(app.redirect_url, [*ours, *_echo_of(request, app)])


def decline(user: User, request: LogInRequest, *, client_address: str | None, now: datetime) -> str:
    """Do not let the app in; return the registered address without a token."""
    app = app_of(request)
    _record("api_consent_declined", app, user, client_address=client_address, now=now)
    ours = [_ACTION, ("status", "cancelled")]
    return with_parameters(app.redirect_url, [*ours, *_echo_of(request, app)])


def _require_few_tokens(user: User, *, now: datetime) -> None:
    """Sweep what has expired; refuse a loop that logs in without end."""
    tokens = RequestToken.objects.for_user(user)
    tokens.filter(expires_at__lte=now).delete()
    if tokens.count() >= MOST_OPEN_TOKENS:
        raise Refused("Too many log-ins in five minutes. Wait a little, then try again.")


def _judged(apps: QuerySet[ApiApp], request: LogInRequest) -> ApiApp:
    app = (
        apps.select_related("user")
        .filter(api_key=request.api_key, revoked_at=None, user__is_active=True)
        .first()
    )
    if app is None:
        raise NotFound("There is no app with this api_key.")
    _echo_of(request, app)
    return app


def _echo_of(request: LogInRequest, app: ApiApp) -> list[tuple[str, str]]:
    try:
        return echoed(request.redirect_params, state=request.state, url=app.redirect_url)
    except UrlRefused as error:
        raise InvalidInput(str(error), field="redirect_params") from error


def _record(
    kind: str, app: ApiApp, user: User, *, client_address: str | None, now: datetime
) -> None:
    audit.record(
        actor=user,
        kind=kind,
        target=app.api_key,
        detail={"app": app.name, "maker": app.user.public_id, "products": app.products},
        client_address=client_address,
        now=now,
    )
