"""Every address of the API: what a program sends there, and whose things it names.

A route or method that is not here fails the matrix. `Call.names` are the parts of the address
that name somebody's thing; a call without them is about whoever asks, or about nobody.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from accounts.models import User
from accounts.tests.api_apps import make_app, open_session
from api.urls import urlpatterns
from finbyte_site.tests.tenants.world import Things

FORM = "application/x-www-form-urlencoded"
METHODS = ("get", "post", "put", "delete")

ORDER = {
    "exchange": "NSE",
    "tradingsymbol": "ONGC",
    "transaction_type": "BUY",
    "quantity": "1",
    "product": "CNC",
    "order_type": "LIMIT",
    "price": "251",
}
ROW = {**ORDER, "variety": "regular", "quantity": 1, "price": 251, "order_id": "1"}
GTT = {
    "type": "single",
    "condition": json.dumps(
        {"exchange": "NSE", "tradingsymbol": "ONGC", "trigger_values": [240], "last_price": 260}
    ),
    "orders": json.dumps([{**ROW, "price": 240}]),
}
ALERT = {
    "name": "Low",
    "type": "simple",
    "lhs_exchange": "NSE",
    "lhs_tradingsymbol": "ONGC",
    "lhs_attribute": "LastTradedPrice",
    "operator": "<=",
    "rhs_type": "constant",
    "rhs_constant": "200",
}
GRID = {
    "kind": "spot_grid",
    "symbol": "NSE:ONGC",
    "lower": "250",
    "upper": "270",
    "grids": "4",
    "investment": "20000",
}
CONVERSION = {
    "exchange": "NSE",
    "tradingsymbol": "ONGC",
    "transaction_type": "BUY",
    "position_type": "day",
    "quantity": "1",
    "old_product": "CNC",
    "new_product": "MIS",
}


@dataclass(frozen=True, slots=True)
class Call:
    """What a program sends with one method of one route."""

    # Part of the address -> name of the thing in `Programs.ids`; a text that starts with = stays.
    parts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    rows: list[Any] | None = None
    # Fields that name somebody's thing.
    named: dict[str, str] = field(default_factory=dict)

    @property
    def is_owned(self) -> bool:
        """Say whether it names a thing that belongs to somebody."""
        return bool(self.named) or any(not each.startswith("=") for each in self.parts.values())


def _owned(**parts: str) -> Call:
    return Call(parts=parts)


_BOT = {"bot_id": "bot"}
_I = {"i": ["NSE:ONGC"]}
CALLS: dict[str, dict[str, Call]] = {
    "user/profile": {"get": Call()},
    "user/limits": {"get": Call()},
    "user/margins": {"get": Call()},
    "user/margins/<str:segment>": {"get": Call(parts={"segment": "=equity"})},
    "session/stream_token": {"post": Call()},
    "orders": {"get": Call()},
    "orders/<str:name>": {
        "get": _owned(name="order"),
        "post": Call(parts={"name": "=regular"}, fields=ORDER),
    },
    "orders/<str:variety>/<str:order_id>": {
        "put": Call(parts={"variety": "=regular", "order_id": "order"}, fields={"price": "252"}),
        "delete": Call(parts={"variety": "=regular", "order_id": "order"}),
    },
    "orders/<str:order_id>/trades": {"get": _owned(order_id="order")},
    "trades": {"get": Call()},
    "portfolio/positions": {"get": Call(), "put": Call(fields=CONVERSION)},
    "portfolio/holdings": {"get": Call()},
    "portfolio/holdings/summary": {"get": Call()},
    "portfolio/holdings/compact": {"get": Call()},
    "portfolio/holdings/auctions": {"get": Call()},
    "portfolio/holdings/authorise": {"post": Call()},
    "margins/orders": {"post": Call(rows=[ROW])},
    "margins/basket": {"post": Call(rows=[ROW])},
    "charges/orders": {"post": Call(rows=[{**ROW, "average_price": 251}])},
    "instruments": {"get": Call()},
    "instruments/rules": {"get": Call()},
    "instruments/<str:exchange>": {"get": Call(parts={"exchange": "=NSE"})},
    "instruments/historical/<int:instrument_token>/<str:interval>": {
        "get": Call(
            parts={"instrument_token": "=633601", "interval": "=minute"},
            fields={"from": "2026-11-20", "to": "2026-11-21"},
        )
    },
    "instruments/trigger_range/<str:transaction_type>": {
        "get": Call(parts={"transaction_type": "=buy"}, fields=_I)
    },
    "quote": {"get": Call(fields=_I)},
    "quote/ohlc": {"get": Call(fields=_I)},
    "quote/ltp": {"get": Call(fields=_I)},
    "gtt/triggers": {"get": Call(), "post": Call(fields=GTT)},
    "gtt/triggers/<int:trigger_id>": {
        "get": _owned(trigger_id="gtt"),
        "put": Call(parts={"trigger_id": "gtt"}, fields=GTT),
        "delete": _owned(trigger_id="gtt"),
    },
    "alerts": {
        "get": Call(),
        "post": Call(fields=ALERT),
        "delete": Call(named={"uuid": "alert"}),
    },
    "alerts/<uuid:uuid>": {
        "get": _owned(uuid="alert"),
        "put": Call(parts={"uuid": "alert"}, fields=ALERT),
    },
    "alerts/<uuid:uuid>/history": {"get": _owned(uuid="alert")},
    **{
        f"mf/{name}": {"get": Call()}
        for name in ("instruments", "orders", "sips", "holdings", "allotments")
    },
    "bots": {
        "get": Call(),
        "post": Call(fields=GRID, named={"venue_account_id": "account"}),
    },
    "bots/kinds": {"get": Call()},
    "bots/kinds/<str:kind>": {"get": Call(parts={"kind": "=spot_grid"})},
    "bots/preview": {"post": Call(fields=GRID, named={"venue_account_id": "account"})},
    "bots/<int:bot_id>": {"get": Call(parts=_BOT), "delete": Call(parts=_BOT)},
    **{
        f"bots/<int:bot_id>/{name}": {"get": Call(parts=_BOT)}
        for name in ("orders", "trades", "profit")
    },
    **{
        f"bots/<int:bot_id>/{name}": {"post": Call(parts=_BOT)}
        for name in ("start", "pause", "resume", "retry", "stop", "withdraw_profit")
    },
    "bots/<int:bot_id>/add_investment": {"post": Call(parts=_BOT, fields={"amount": "1"})},
}
# For whoever has an app's secret; no token is asked for. The file and the page are for everybody.
OPEN = {"session/token", "session/refresh_token", "api/schema", "api/docs/"}


def api_routes() -> Iterator[tuple[str, set[str]]]:
    """Give address pattern and methods of every endpoint."""
    for pattern in urlpatterns:
        address = str(pattern.pattern)
        view = getattr(pattern.callback, "view_class", None)
        if view is None or address.startswith("^"):
            continue
        allowed = view.http_method_names
        yield address, {each for each in METHODS if each in allowed and hasattr(view, each)}


@dataclass(frozen=True, slots=True)
class Program:
    """Somebody's program, and the things that it could name."""

    user: User
    header: str
    # What of its user's must never be seen by another one.
    marks: tuple[str, ...]
    ids: dict[str, Any]

    def ask(self, method: str, pattern: str, *, about: "Program") -> Any:
        """Send one call, naming somebody's things."""
        return send(method, pattern, about=about, header=self.header)


def send(method: str, pattern: str, *, about: Program, header: str | None) -> Any:
    """Send one call with a token, or without one."""
    call = CALLS[pattern][method]
    address = "/" + pattern
    for part, name in call.parts.items():
        value = name[1:] if name.startswith("=") else about.ids[name]
        for kind in ("str", "int", "uuid"):
            address = address.replace(f"<{kind}:{part}>", str(value))
    named = {name: about.ids[thing] for name, thing in call.named.items()}
    query = urlencode({**call.fields, **named}, doseq=True)
    headers = {} if header is None else {"authorization": header}
    client = Client()
    if call.rows is not None:
        body = json.dumps(call.rows)
        return client.generic(method.upper(), address, body, "application/json", headers=headers)
    if method in {"post", "put"}:
        return client.generic(method.upper(), address, query, FORM, headers=headers)
    return client.generic(method.upper(), f"{address}?{query}", headers=headers)


def program_of(things: Things, *, now: Any) -> Program:
    """Log a program of the user's in, and let it make what programs make."""
    user = things.user
    opened = open_session(
        make_app(user, now=now, name="Matrix", products=["CNC", "MIS"]), user, now=now
    )
    header = f"token {opened.session.app.api_key}:{opened.access_token}"
    program = Program(
        user,
        header,
        (things.marker, user.public_id, user.email, things.order.client_order_id),
        {
            "order": things.order.pk,
            "bot": things.bot.pk,
            "account": things.stage.account.pk,
        },
    )
    gtt = program.ask("post", "gtt/triggers", about=program)
    assert gtt.status_code == 200, gtt.content
    alert = program.ask("post", "alerts", about=program)
    assert alert.status_code == 200, alert.content
    program.ids["gtt"] = gtt.json()["data"]["trigger_id"]
    program.ids["alert"] = alert.json()["data"]["uuid"]
    return program
