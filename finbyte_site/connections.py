"""What the home page says of a user's connections: prices, venue accounts, API apps, log-in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from redis.exceptions import RedisError

from accounts.models import User
from accounts.selectors import AppState, app_states, has_second_factor
from finbyte_site.health import process_health
from market.streams import connect, read_beats
from portfolio.models import VenueAccount

MOST_APPS = 4


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """One connection: its state as a tone and in words, and the page about it."""

    name: str
    tone: str
    words: str
    address: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A way to something that people do every day."""

    title: str
    address: str


_EVERYDAY = (
    ("Cancel orders", "portfolio:order-list"),
    ("Trades", "portfolio:trade-list"),
    ("Statement", "portfolio:funds"),
)
_OWN = (
    ("Connect a venue", "portfolio:venue-account-list"),
    ("API apps", "accounts:api-app-list"),
    ("Devices", "accounts:devices"),
    ("Sessions", "accounts:sessions"),
)


def connection_lines(
    user: User, *, accounts: Iterable[VenueAccount], is_own: bool, now: datetime
) -> list[ConnectionLine]:
    """Return the lines of the panel; a viewer sees prices and accounts, not how the owner logs in."""
    lines = [_prices(now), *(_account(each) for each in accounts)]
    if is_own:
        lines += [*_apps(app_states(user, limit=MOST_APPS, now=now)), _second_factor(user)]
    return lines


def shortcuts(*, is_own: bool) -> list[Shortcut]:
    """Return the everyday ways from the home page."""
    places = [*_EVERYDAY, *(_OWN if is_own else ())]
    return [Shortcut(title, reverse(name)) for title, name in places]


def _prices(now: datetime) -> ConnectionLine:
    address = reverse("market:instrument-list")
    try:
        feed = process_health(read_beats(connect()), "feed", now)
    except RedisError:
        feed = {"ok": False, "age": None}
    if feed["ok"]:
        return ConnectionLine("Prices", "good", "Coming in", address)
    words = "Not coming in" if feed["age"] is None else f"Silent for {feed['age']:.0f} s"
    return ConnectionLine("Prices", "bad", words, address)


def _account(account: VenueAccount) -> ConnectionLine:
    address = reverse("portfolio:venue-account-list")
    if account.status == VenueAccount.Status.READY:
        return ConnectionLine(account.name, "good", "Ready", address)
    return ConnectionLine(account.name, "warn", account.status_reason or "Not ready", address)


def _apps(states: list[AppState]) -> list[ConnectionLine]:
    if not states:
        address = reverse("accounts:api-app-list")
        return [ConnectionLine("API apps", "quiet", "None yet", address)]
    return [
        ConnectionLine(
            each.name,
            "quiet" if each.token_until is None else "good",
            "No token now" if each.token_until is None else "Token until",
            _page_of(each),
            each.token_until,
        )
        for each in states
    ]


def _page_of(state: AppState) -> str:
    if state.is_own:
        return reverse("accounts:api-app-detail", args=[state.app_id])
    return reverse("accounts:api-app-list")


def _second_factor(user: User) -> ConnectionLine:
    is_on = has_second_factor(user)
    return ConnectionLine(
        "Second factor",
        "good" if is_on else "warn",
        "On" if is_on else "Not set up",
        reverse("accounts:security"),
    )
