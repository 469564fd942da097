"""Apps, agreements and signed requests for tests."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.test import Client

from accounts.domain.tokens import checksum
from accounts.models import ApiApp, User
from accounts.services.api_apps import AppSettings, create_app
from accounts.services.api_sessions import OpenedSession, SignedRequest, exchange
from accounts.services.connect import LogInRequest, approve
from finbyte_site.tests.console import stamp_client

REDIRECT = "https://bots.example.com/cb"


@dataclass(frozen=True, slots=True)
class MadeApp:
    """An app with its secret."""

    app: ApiApp
    secret: str

    def signed(self, token: str) -> SignedRequest:
        """Sign a token as the app's program does."""
        key = self.app.api_key
        return SignedRequest(key, token, checksum(key, token, self.secret), "203.0.113.7")

    def fields(self, token: str, *, name: str = "request_token") -> dict[str, str]:
        """Return the form that the app's program sends."""
        key = self.app.api_key
        return {"api_key": key, name: token, "checksum": checksum(key, token, self.secret)}


def settings_of(**values) -> AppSettings:
    """Return what an owner decides, decided."""
    fields = {"name": "Scalper", "redirect_url": REDIRECT, "postback_url": "", "products": ["CNC"]}
    return AppSettings(**{**fields, **values})


def make_app(user: User, *, now: datetime, **values) -> MadeApp:
    """Register an app."""
    return MadeApp(*create_app(user, settings_of(**values), client_address=None, now=now))


def open_console(user: User, *, now: datetime) -> UUID:
    """Log the user in to the console with a second factor; return the session's public id."""
    return UUID(stamp_client(Client(), user, factor_at=now, started_at=now).public_id)


def agree(made: MadeApp, user: User, *, now: datetime, session_id: UUID | None = None) -> str:
    """Let the app in; return the request token."""
    address = approve(
        user,
        LogInRequest(made.app.api_key),
        products=made.app.products,
        session_id=session_id or open_console(user, now=now),
        client_address=None,
        now=now,
    )
    return parse_qs(urlsplit(address).query)["request_token"][0]


def open_session(made: MadeApp, user: User, *, now: datetime) -> OpenedSession:
    """Log the user in to the app."""
    return exchange(made.signed(agree(made, user, now=now)), now=now)
