"""Apps act for users: a request token becomes a session, which is renewed and ended.

Locks, always in this order: app, user, request token, session. Whoever ends all sessions of a user
or an app waits for an exchange in flight, or the exchange finds its token void.
"""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.domain.roles import SecondFactorRule
from accounts.domain.sealing import NotOpened
from accounts.domain.session_rules import next_day_roll
from accounts.domain.tokens import checksum, is_same, new_token, token_digest
from accounts.exceptions import ChecksumRefused, TokenRefused
from accounts.models import ApiApp, ApiSession, ConsoleSession, RequestToken, User
from accounts.models.prepared import PreparedQuery
from accounts.services import audit
from accounts.services.sealed import unseal
from accounts.services.users import lock_user
from accounts.session_store import announce_ends

logger = logging.getLogger(__name__)

SECRET = "api_secret"  # noqa: S105 - names what is sealed
RENEWABLE = timedelta(days=30)
TOUCH_EVERY = timedelta(minutes=1)
# A client that lost the first answer asks again within this.
RETRY = timedelta(seconds=30)
_REFRESH_TOKEN = re.compile(r"([1-9][0-9]{0,17})\.[A-Za-z0-9_-]{43}")
_MISFIT = "api_key, token and checksum do not fit together. Nothing was used up."
_LOST = "The secret of this app cannot be checked any more. Make a new one on the app's page."
_TOKEN_OVER = "This token is used, expired or withdrawn. Log in again."  # noqa: S105
_SESSION_OVER = "Token is invalid or has expired. Log in again."

_EXAMPLE: dict[str, Any] = {
    "digest": "a digest",
    "api_key": "a key",
    "now": datetime(2000, 1, 1, tzinfo=UTC),
}
_LIVE = PreparedQuery(
    ApiSession.objects.live(_EXAMPLE["now"]).filter(
        access_digest=_EXAMPLE["digest"], app__api_key=_EXAMPLE["api_key"]
    ),
    _EXAMPLE,
    related=("app", "user"),
)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session with its tokens, which are known now and never again."""

    session: ApiSession
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a program sends to prove itself: `checksum` over api_key, token and its secret."""

    api_key: str
    token: str
    checksum: str
    client_address: str | None


def exchange(request: SignedRequest, *, now: datetime) -> OpenedSession:
    """Open a session for a request token, which is then used; the older session ends.

    A wrong checksum uses nothing up. A token that comes again is refused; later than a retry
    would, it is in two hands, and the session that it has opened ends (ASVS 10.4.2).
    """
    with transaction.atomic():
        app = _app_that_signed(request)
        if not _was_replayed(app, request, now=now):
            return _opened(app, request, now=now)
    raise TokenRefused(_TOKEN_OVER)


def issue(app: ApiApp, user: User, *, now: datetime) -> OpenedSession:
    """Open a session without a log-in, for a command on the server; the older session ends.

    The caller has locked the app, then the user, and answers for who asks.
    """
    return _open(app, user, kind="api_session_issue", client_address=None, now=now)


def _opened(app: ApiApp, request: SignedRequest, *, now: datetime) -> OpenedSession:
    token = _locked_request_token(app, request.token, now=now)
    token.used_at = now
    token.save(update_fields=["used_at"])
    address = request.client_address
    return _open(app, token.user, kind="api_session_open", client_address=address, now=now)


def _open(
    app: ApiApp, user: User, *, kind: str, client_address: str | None, now: datetime
) -> OpenedSession:
    _end(ApiSession.objects.filter(app=app, user=user), reason="a newer log-in", now=now)
    access_token = new_token()
    session = ApiSession.objects.create(
        app=app,
        user=user,
        access_digest=token_digest(access_token),
        started_at=now,
        expires_at=next_day_roll(now),
        address=client_address,
    )
    refresh_token = _give_refresh_token(session, now=now)
    _record(kind, session, client_address=client_address, now=now)
    return OpenedSession(session, access_token, refresh_token)


def _was_replayed(app: ApiApp, request: SignedRequest, *, now: datetime) -> bool:
    """Say whether the token comes again too late for a retry; its session ends then."""
    token = RequestToken.objects.filter(app=app, digest=token_digest(request.token)).first()
    if token is None or token.used_at is None or now - token.used_at <= RETRY:
        return False
    sessions = ApiSession.objects.select_for_update(of=("self",)).select_related("app", "user")
    for session in sessions.filter(
        app=app, user_id=token.user_id, started_at=token.used_at, ended_at=None
    ):
        _end_one(session, reason="a used request token was seen again", now=now)
        _record("api_session_reuse", session, client_address=request.client_address, now=now)
    return True


def renew(request: SignedRequest, *, now: datetime) -> OpenedSession:
    """Give a session new tokens for one more day; the refresh token works once.

    One that was used before is in two hands: the session ends.
    """
    with transaction.atomic():
        app = _app_that_signed(request)
        session = _locked_renewable(app, request.token, now=now)
        if session is not None and is_same(
            session.refresh_digest or "", token_digest(request.token)
        ):
            return _renewed(session, client_address=request.client_address, now=now)
        if session is not None:
            _end_one(session, reason="a used refresh token was seen again", now=now)
            _record("api_session_reuse", session, client_address=request.client_address, now=now)
    raise TokenRefused(_TOKEN_OVER)


def authenticate(
    api_key: str, access_token: str, *, client_address: str | None, now: datetime
) -> ApiSession:
    """Return the session that this header opens, with its app and user, in one query.

    When it was last seen is noted at most once a minute.
    """
    session = _LIVE.first(digest=token_digest(access_token), api_key=api_key, now=now)
    if session is None:
        raise TokenRefused(_SESSION_OVER)
    if session.seen_at is None or now - session.seen_at >= TOUCH_EVERY:
        session.seen_at, session.address = now, client_address
        ApiSession.objects.filter(pk=session.pk).update(seen_at=now, address=client_address)
    return session


def still_stands(session: ApiSession, *, now: datetime) -> bool:
    """Say whether the token that opened this session would open it now, too."""
    return (
        ApiSession.objects.live(now)
        .filter(pk=session.pk, access_digest=session.access_digest)
        .exists()
    )


def live_session(session_id: int, *, now: datetime) -> ApiSession:
    """Return a session that acts now, with its app and user."""
    session = (
        ApiSession.objects.live(now).select_related("app", "user").filter(pk=session_id).first()
    )
    if session is None:
        raise TokenRefused(_SESSION_OVER)
    return session


def log_out(
    api_key: str,
    *,
    access_token: str = "",
    refresh_token: str = "",
    client_address: str | None,
    now: datetime,
) -> None:
    """End the session of an access token or of a refresh token."""
    proof = (
        {"access_digest": token_digest(access_token)}
        if access_token
        else {"refresh_digest": token_digest(refresh_token)}
    )
    with transaction.atomic():
        session = (
            ApiSession.objects.select_for_update(of=("self",))
            .select_related("app", "user")
            .filter(app__api_key=api_key, ended_at=None, **proof)
            .first()
        )
        if session is None:
            raise TokenRefused(_SESSION_OVER)
        _end_one(session, reason="logged out by the app", now=now)
        _record("api_session_log_out", session, client_address=client_address, now=now)


def end_session(
    session: ApiSession,
    *,
    actor: User,
    reason: str = "",
    client_address: str | None,
    now: datetime,
) -> bool:
    """End one session on its page, or by staff with a reason; say whether it was still open."""
    why = "ended by staff" if reason else "ended on the page"
    with transaction.atomic():
        if not _end(ApiSession.objects.filter(pk=session.pk), reason=why, now=now):
            return False
        _record(
            "api_session_end",
            session,
            actor=actor,
            reason=reason,
            client_address=client_address,
            now=now,
        )
    return True


def end_all(user: User, *, reason: str, now: datetime) -> int:
    """End every session that acts for the user and void his log-ins under way; say how many ended.

    The caller records why: this is part of a password change, a suspension, a lost factor.
    """
    with transaction.atomic():
        # An exchange holds this row until it is done; a later one finds its token void.
        lock_user(user.pk)
        void_request_tokens(RequestToken.objects.for_user(user), now=now)
        return _end(ApiSession.objects.for_user(user), reason=reason, now=now)


def end_of_app(app: ApiApp, *, reason: str, now: datetime) -> int:
    """End every session of an app whose row the caller has locked; say how many ended."""
    void_request_tokens(RequestToken.objects.filter(app=app), now=now)
    return _end(ApiSession.objects.filter(app=app), reason=reason, now=now)


def void_request_tokens(tokens: QuerySet[RequestToken], *, now: datetime) -> None:
    """Let request tokens expire that nobody has exchanged yet."""
    tokens.filter(used_at=None, expires_at__gt=now).update(expires_at=now)


def _app_that_signed(request: SignedRequest) -> ApiApp:
    """Return the app, locked, whose secret made the checksum."""
    app = (
        ApiApp.objects.select_for_update(no_key=True, of=("self",))
        .select_related("user")
        .filter(api_key=request.api_key, revoked_at=None, user__is_active=True)
        .first()
    )
    if app is None:
        raise ChecksumRefused(_MISFIT)
    try:
        secret = unseal(app.sealed_secret, what=SECRET, user_id=app.user_id)
    except NotOpened as error:
        logger.warning("api secret does not open app=%s", app.pk)
        raise ChecksumRefused(_LOST) from error
    if not is_same(checksum(request.api_key, request.token, secret), request.checksum):
        raise ChecksumRefused(_MISFIT)
    return app


def _locked_request_token(app: ApiApp, text: str, *, now: datetime) -> RequestToken:
    """Return the token that may be exchanged now, locked; its user is locked before it."""
    found = RequestToken.objects.filter(app=app, digest=token_digest(text)).first()
    if found is None:
        raise TokenRefused(_TOKEN_OVER)
    user = User.objects.select_for_update(no_key=True).filter(pk=found.user_id).first()
    token = (
        RequestToken.objects.select_for_update()
        .filter(pk=found.pk, used_at=None, expires_at__gt=now)
        .first()
    )
    if token is None or user is None or not user.is_active or not _is_open(token, now=now):
        raise TokenRefused(_TOKEN_OVER)
    token.user = user
    return token


def _is_open(token: RequestToken, *, now: datetime) -> bool:
    """Say whether the console session in which the user consented goes on."""
    return ConsoleSession.objects.filter(
        public_id=token.session_id, user_id=token.user_id, expire_date__gt=now
    ).exists()


def _locked_renewable(app: ApiApp, refresh_token: str, *, now: datetime) -> ApiSession | None:
    shape = _REFRESH_TOKEN.fullmatch(refresh_token)
    if shape is None:
        return None
    return (
        ApiSession.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(
            pk=int(shape[1]),
            app=app,
            ended_at=None,
            refresh_until__gt=now,
            user__is_active=True,
            user__second_factor_rule=SecondFactorRule.NEW_DEVICE,
        )
        .first()
    )


def _renewed(session: ApiSession, *, client_address: str | None, now: datetime) -> OpenedSession:
    access_token = new_token()
    session.access_digest, session.expires_at = token_digest(access_token), next_day_roll(now)
    session.save(update_fields=["access_digest", "expires_at"])
    # Its older token opens nothing any more, sockets included.
    announce_ends([session.user_id])
    refresh_token = _give_refresh_token(session, now=now)
    _record("api_session_renew", session, client_address=client_address, now=now)
    return OpenedSession(session, access_token, refresh_token)


def _give_refresh_token(session: ApiSession, *, now: datetime) -> str:
    """Return a new refresh token; empty where a log-in is due every day.

    It begins with its session, so that an old one is known as such.
    """
    if session.user.second_factor_rule != SecondFactorRule.NEW_DEVICE:
        return ""
    text = f"{session.pk}.{new_token()}"
    session.refresh_digest = token_digest(text)
    session.refresh_until = session.refresh_until or now + RENEWABLE
    session.save(update_fields=["refresh_digest", "refresh_until"])
    return text


def _end(sessions: QuerySet[ApiSession], *, reason: str, now: datetime) -> int:
    ending = sessions.filter(ended_at=None)
    announce_ends(set(ending.values_list("user_id", flat=True)))
    return ending.update(ended_at=now, ended_for=reason)


def _end_one(session: ApiSession, *, reason: str, now: datetime) -> None:
    _end(ApiSession.objects.filter(pk=session.pk), reason=reason, now=now)


def _record(
    kind: str,
    session: ApiSession,
    *,
    actor: User | None = None,
    reason: str = "",
    client_address: str | None,
    now: datetime,
) -> None:
    audit.record(
        actor=actor or session.user,
        kind=kind,
        target=session.app.api_key,
        detail={"session": session.pk, **({"reason": reason} if reason else {})},
        on_behalf_of=session.user,
        client_address=client_address,
        now=now,
    )
