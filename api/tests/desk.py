"""A trader's program for tests: a paper desk, an app's session and the requests it sends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from accounts.models import User
from accounts.services.api_sessions import OpenedSession
from accounts.tests.api_apps import MadeApp, make_app, open_session
from portfolio.models import Book
from portfolio.tests.factories import make_account, make_book, make_instrument

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Desk:
    """A user with money in INR and USDT, and a program that acts for him."""

    user: User
    made: MadeApp
    opened: OpenedSession
    book: Book
    crypto_book: Book

    @property
    def headers(self) -> dict[str, str]:
        """Return what the program sends with every request."""
        app = self.opened.session.app
        return {"authorization": f"token {app.api_key}:{self.opened.access_token}"}

    def get(self, path: str, **query: Any) -> Any:
        """Ask; lists repeat their name."""
        return Client().get(f"{path}?{urlencode(query, doseq=True)}", headers=self.headers)

    def delete(self, path: str, **query: Any) -> Any:
        """Delete."""
        return Client().delete(f"{path}?{urlencode(query, doseq=True)}", headers=self.headers)

    def post(self, path: str, *, key: str | None = None, **fields: Any) -> Any:
        """Send a form."""
        return self._send("post", path, fields, key)

    def put(self, path: str, *, key: str | None = None, **fields: Any) -> Any:
        """Send a form."""
        return self._send("put", path, fields, key)

    def _send(self, method: str, path: str, fields: dict[str, Any], key: str | None) -> Any:
        headers = {**self.headers, **({} if key is None else {"idempotency-key": key})}
        body = urlencode(fields, doseq=True)
        answer = getattr(Client(), method)(path, body, content_type=FORM, headers=headers)
        return answer


def make_desk(user: User, *, now: datetime, **app: Any) -> Desk:
    """Give a user two paper accounts with money and an app with a live session."""
    make_instrument()
    rupees, dollars = (
        make_book(make_account(user, now=now, asset=asset), now=now, funds=funds)
        for asset, funds in (("INR", 1_000_000), ("USDT", 10_000))
    )
    made = make_app(user, now=now, **{"products": ["CNC", "MIS", "NRML"], **app})
    return Desk(user, made, open_session(made, user, now=now), rupees, dollars)
