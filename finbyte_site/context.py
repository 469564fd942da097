"""What every console page needs: who, which account, which theme, where."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from portfolio.views.scope import account_mode, selected_account, venue_accounts

THEME_COOKIE = "finbyte_theme"
THEMES = frozenset({"light", "dark"})
# Rupee pages are read in India unless the user says otherwise.
DEFAULT_ZONE = "Asia/Kolkata"


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """One place to go: `key` names its icon and its keyboard letter."""

    key: str
    title: str
    phone_title: str
    address: str
    is_current: bool
    on_phone: bool


_PLACES = (
    ("home", "Home", "Home", "home", True),
    ("markets", "Markets", "Markets", "market:instrument-list", True),
    ("orders", "Orders", "Orders", "portfolio:order-list", True),
    ("positions", "Portfolio", "Portfolio", "portfolio:position-list", True),
    ("funds", "Funds", "Funds", "portfolio:funds", False),
    ("bots", "Bots", "Bots", "bots:bot-list", True),
)


# The pages about oneself, in tabs: title, icon, address.
_SETTINGS = (
    ("Profile", "user", "accounts:profile"),
    ("Security", "lock", "accounts:security"),
    ("API apps", "grid", "accounts:api-app-list"),
    ("Venue accounts", "funds", "portfolio:venue-account-list"),
    ("Viewers", "eye", "accounts:viewer-list"),
)


@dataclass(frozen=True, slots=True)
class SettingsTab:
    """One of the tabs over the pages about oneself."""

    title: str
    icon: str
    address: str
    is_current: bool


def settings_tabs(path: str) -> list[SettingsTab]:
    """Return the tabs; account pages without one of their own stand under Security."""
    security = reverse("accounts:security")
    places = [(title, icon, reverse(name)) for title, icon, name in _SETTINGS]
    is_account = path.startswith(security.removesuffix("security"))
    above = security if is_account else None
    current = next((place for *_, place in places if path.startswith(place)), above)
    return [SettingsTab(title, icon, place, place == current) for title, icon, place in places]


def navigation(path: str) -> list[NavigationEntry]:
    """Return the main places; the one that `path` lies under is current."""
    entries = []
    for key, title, phone_title, name, on_phone in _PLACES:
        address = reverse(name)
        is_current = path == address if name == "home" else path.startswith(address)
        entries.append(NavigationEntry(key, title, phone_title, address, is_current, on_phone))
    tabs = settings_tabs(path)
    is_current = any(each.is_current for each in tabs)
    entries.append(
        NavigationEntry("gear", "Settings", "Settings", tabs[0].address, is_current, on_phone=False)
    )
    return entries


def console(request: HttpRequest) -> dict[str, Any]:
    """Return the values of the page frame; nothing is read before a template asks."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    values: dict[str, Any] = {
        "theme": theme if theme in THEMES else "",
        "zone": DEFAULT_ZONE,
        "is_insecure": settings.INSECURE_LAN,
        "navigation": SimpleLazyObject(lambda: navigation(request.path)),
        "settings_tabs": SimpleLazyObject(lambda: settings_tabs(request.path)),
    }
    user = getattr(request, "user", None)
    if isinstance(user, User) or (user is not None and user.is_authenticated):
        values |= {
            "zone": getattr(request, "subject", user).time_zone,
            "venue_accounts": SimpleLazyObject(lambda: venue_accounts(request)),
            "current_account": SimpleLazyObject(lambda: selected_account(request)),
            "account_mode": SimpleLazyObject(lambda: account_mode(request)),
        }
    return values
