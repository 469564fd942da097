"""Every address of the site, and what it is about: the tenant matrix's one list.

A route that is not here fails the matrix. `Row.of` gives the parts of the address for somebody's
things; a row without it is about whoever asks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from django.urls import URLPattern, get_resolver

from finbyte_site.tests.tenants.programs import OPEN, api_routes
from finbyte_site.tests.tenants.world import Things

Parts = dict[str, Any]


class Kind(Enum):
    """Who may come."""

    PUBLIC = auto()
    # Shows or changes what belongs to the account on the screen: the viewer sees the owner's.
    CONSOLE = auto()
    # The settings of whoever is logged in, also while he looks at somebody else's account.
    ACCOUNT = auto()
    ADMIN = auto()
    PROGRAM = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One route: who may come, and whose thing it names."""

    kind: Kind
    of: Callable[[Things], Parts] | None = None
    # Fields to post beside those that name things.
    data: dict[str, Any] = field(default_factory=dict)


def walk(patterns: Any = None, prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    """Give address pattern and name of every route of the site."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield address, namespace + (pattern.name or "")
        else:
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from walk(pattern.url_patterns, address, namespace + inner)


def fields_naming(things: Things) -> Parts:
    """Return fields that name somebody's things, sent with every request beside the address."""
    return {
        "account": things.stage.account.pk,
        "venue_account": things.stage.account.pk,
        "book": things.stage.book.pk,
        "ids": things.order.pk,
        "order_id": things.order.pk,
        "bot_id": things.bot.pk,
        "user": things.user.pk,
        "instrument": "NSE:ONGC",
        "symbol": "NSE:ONGC",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": "5",
        "price": "251",
    }


def _ids(*parts: str, **renamed: str) -> Callable[[Things], Parts]:
    """Return what fills an address with ids; `pk="app"`: the part is called pk, the thing app."""
    names = {**{part: part for part in parts}, **renamed}
    return lambda things: {part: things.ids[thing] for part, thing in names.items()}


_market = {"exchange": "NSE", "tradingsymbol": "ONGC"}


PUBLIC = {
    "": Row(Kind.PUBLIC),
    "healthz": Row(Kind.PUBLIC),
    "console/account/sign-up": Row(Kind.PUBLIC),
    "console/account/log-in": Row(Kind.PUBLIC),
    "console/account/log-out": Row(Kind.PUBLIC),
    "console/account/password-reset": Row(Kind.PUBLIC),
    "console/account/password-reset/sent": Row(Kind.PUBLIC),
    "console/account/password-reset/<str:uidb64>/<str:token>": Row(
        Kind.PUBLIC, lambda _: {"uidb64": "MQ", "token": "x-y"}
    ),
    "console/theme/": Row(Kind.PUBLIC),
    # The second step of a log-in: for whoever has just typed a password.
    "console/account/second-factor": Row(Kind.PUBLIC),
    "console/account/second-factor/passkey/begin": Row(Kind.PUBLIC),
    "console/account/second-factor/passkey/complete": Row(Kind.PUBLIC),
    "connect/login": Row(Kind.PUBLIC),
}

# Named by somebody's thing: a stranger finds nothing there.
OWNED = {
    **{
        f"console/bots/<int:bot_id>/{page}": Row(Kind.CONSOLE, _ids("bot_id"))
        for page in ("", "live/", "ladder/", "fills/", "orders/", "timeline/")
    },
    "console/bots/<int:bot_id>/<str:name>/": Row(
        Kind.CONSOLE, lambda things: {"bot_id": things.bot.pk, "name": "pause"}
    ),
    **{
        f"console/orders/<int:order_id>/{page}": Row(Kind.CONSOLE, _ids("order_id"))
        for page in ("", "row/", "modify/", "cancel/")
    },
    **{
        f"console/venue-accounts/<int:account_id>/{page}": Row(Kind.CONSOLE, _ids("account_id"))
        for page in ("", "key/", "key/remove/", "key/check/", "papers/")
    },
    "console/account/sessions/<uuid:session_id>/end": Row(Kind.ACCOUNT, _ids("session_id")),
    **{
        f"console/account/devices/<int:device_id>/{act}": Row(Kind.ACCOUNT, _ids("device_id"))
        for act in ("rename", "revoke")
    },
    **{
        f"console/account/addresses/<int:address_id>/{act}": Row(Kind.ACCOUNT, _ids("address_id"))
        for act in ("rename", "revoke")
    },
    **{
        f"console/account/passkeys/<int:passkey_id>/{act}": Row(Kind.ACCOUNT, _ids("passkey_id"))
        for act in ("rename", "remove")
    },
    **{
        f"console/account/viewers/<int:delegation_id>/{act}": Row(
            Kind.ACCOUNT, _ids(delegation_id=whose)
        )
        for act, whose in (
            ("accept", "offered"),
            ("revoke", "given"),
            ("leave", "held"),
            ("look", "held"),
        )
    },
    **{
        f"console/account/api-apps/<int:pk>{act}": Row(Kind.ACCOUNT, _ids(pk="app"))
        for act in ("", "/edit", "/secret", "/addresses", "/revoke")
    },
    "console/account/api-sessions/<int:pk>/end": Row(Kind.ACCOUNT, _ids(pk="api_session")),
}

CONSOLE = {
    **{
        f"console/{page}": Row(Kind.CONSOLE)
        for page in (
            "",
            "panels/",
            "search/",
            "account-switch/",
            "markets/",
            "bots/",
            "bots/new/",
            "orders/",
            "orders/rows/",
            "orders/download/",
            "orders/cancel-all/",
            "orders/cancel-all/ask/",
            "positions/",
            "positions/download/",
            "positions/trades/",
            "positions/trades/download/",
            "funds/",
            "funds/download/",
            "venue-accounts/",
        )
    },
    "console/venue-accounts/connect/<str:venue>/": Row(
        Kind.CONSOLE, lambda _: {"venue": "BINANCE_TESTNET"}
    ),
    **{
        f"console/markets/<str:exchange>/<str:tradingsymbol>/{page}": Row(
            Kind.CONSOLE, lambda _: _market
        )
        for page in ("", "candles/", "depth/", "fills/")
    },
    **{
        f"console/ticket/<int:token>/{page}": Row(
            Kind.CONSOLE, lambda things: {"token": things.stage.instrument.pk}
        )
        for page in ("place/", "preview/")
    },
    **{
        f"console/bots/new/<str:kind>/{page}": Row(Kind.CONSOLE, lambda _: {"kind": "spot_grid"})
        for page in ("", "suggestions/", "preview/", "review/")
    },
}

ACCOUNT = {
    f"console/account/{page}": Row(Kind.ACCOUNT)
    for page in (
        "password-change",
        "profile",
        "sessions",
        "sessions/end-others",
        "present",
        "devices",
        "devices/revoke-all",
        "addresses",
        "addresses/add",
        "confirm",
        "confirm/passkey/begin",
        "confirm/passkey/complete",
        "security",
        "authenticator/add",
        "authenticator/remove",
        "recovery-codes",
        "passkeys",
        "passkeys/begin",
        "passkeys/complete",
        "viewers",
        "viewers/offer",
        "viewers/stop",
        "api-apps",
        "api-apps/new",
    )
}

# For programs, by token: `programs.py` has what they send; a browser's session may do nothing there.
PROGRAM = {
    address: Row(Kind.PROGRAM) for address in (*OPEN, *(each for each, _methods in api_routes()))
}

ROUTES: dict[str, Row] = {**PUBLIC, **OWNED, **CONSOLE, **ACCOUNT, **PROGRAM}
