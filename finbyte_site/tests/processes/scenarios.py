"""What the tests of real processes do inside a copy: `python -m ...scenarios NAME < arguments.json`.

Each scenario runs with the copy's own settings and uses the services that the console uses.
"""

import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from accounts.models import ApiApp  # noqa: E402
from accounts.services.users import register_user  # noqa: E402
from accounts.tests.api_apps import MadeApp, agree, make_app  # noqa: E402
from bots.models import Bot  # noqa: E402
from bots.runtime.hints import hint_bot  # noqa: E402
from bots.services.bots import create_bot, start_bot, stop_bot  # noqa: E402
from finbyte_site.sign_up import sign_up  # noqa: E402
from market import streams  # noqa: E402
from market.selectors import instrument_by_symbol  # noqa: E402
from portfolio.models import Book, VenueAccount  # noqa: E402
from portfolio.services.accounts import open_venue_account  # noqa: E402
from portfolio.services.ledger import deposit  # noqa: E402

FUNDS = Decimal(100_000_000)
# A tenth of a basis point: fine grids must earn more than their fees.
FEE = Decimal("0.00001")


def start_grids(*, owner: str, plans: list[dict[str, Any]]) -> list[int]:
    """Start Spot Grids around the newest prices; return their ids.

    A plan: `symbol`, `step` in price, `grids`, `investment` in quote asset.
    """
    now = timezone.now()
    user = register_user(
        email=f"{owner}@example.com", password="correct horse battery staple", now=now
    )
    client = streams.connect()
    accounts: dict[str, VenueAccount] = {}
    started = []
    for number, plan in enumerate(plans):
        instrument = instrument_by_symbol(plan["symbol"])
        spec = instrument.spec
        asset = spec.quote_asset
        if asset not in accounts:
            accounts[asset] = open_venue_account(
                user,
                name=f"{owner} {asset}",
                settlement_asset=asset,
                now=now,
                maker_rate=FEE,
                taker_rate=FEE,
            )
            manual = Book.objects.get(venue_account=accounts[asset], kind=Book.Kind.MANUAL)
            deposit(manual.pk, asset=asset, amount=FUNDS, ref=f"test:{manual.pk}", now=now)
        token = instrument.instrument_token
        quote = streams.read_quotes(client, [token])[token]
        half = Decimal(plan["step"]) * plan["grids"] / 2
        bot = create_bot(
            user,
            accounts[asset],
            kind="spot_grid",
            name=f"{owner} {number}",
            values={
                "symbol": plan["symbol"],
                "lower": str(spec.nearest_tick(quote.last_price - half)),
                "upper": str(spec.nearest_tick(quote.last_price + half)),
                "grids": plan["grids"],
                "spacing": "arithmetic",
                "investment": str(plan["investment"]),
                "stop_mode": plan.get("stop_mode", "sell_all"),
            },
            quote=quote,
            now=now,
        )
        start_bot(user, bot.pk, quote=quote, now=now, hint=hint_bot)
        started.append(bot.pk)
    return started


def stop_grids(*, ids: list[int]) -> list[int]:
    """Ask the bots to stop; return those that were asked."""
    now = timezone.now()
    for bot in Bot.objects.filter(pk__in=ids).select_related("user").order_by("pk"):
        stop_bot(bot.user, bot.pk, stop_mode=None, now=now, hint=hint_bot)
    return ids


def open_program(*, owner: str) -> dict[str, str]:
    """Sign a user up and register an app of his; return its key and secret."""
    now = timezone.now()
    user = sign_up(
        email=f"{owner}@example.com",
        password="correct horse battery staple",
        client_address=None,
        now=now,
    )
    made = make_app(user, now=now, products=["CNC", "MIS"])
    return {"api_key": made.app.api_key, "api_secret": made.secret}


def log_in_program(*, api_key: str) -> str:
    """Consent as the app's owner does in the browser; return the request token."""
    app = ApiApp.objects.select_related("user").get(api_key=api_key)
    return agree(MadeApp(app, ""), app.user, now=timezone.now())


SCENARIOS: dict[str, Callable[..., Any]] = {
    "start_grids": start_grids,
    "stop_grids": stop_grids,
    "open_program": open_program,
    "log_in_program": log_in_program,
}


def main() -> None:
    """Run the scenario named on the command line with arguments from standard input."""
    answer = SCENARIOS[sys.argv[1]](**json.load(sys.stdin))
    print(json.dumps(answer))  # noqa: T201 - the answer to the test


if __name__ == "__main__":
    main()
