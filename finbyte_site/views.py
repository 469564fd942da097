"""Pages that combine the apps: home, an instrument's page, search, the frame's switches."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST, require_safe

from bots.selectors import bots_for, recent_events
from bots.views.cards import bot_cards
from finbyte_site.connections import connection_lines, shortcuts
from finbyte_site.context import THEME_COOKIE, THEMES
from finbyte_site.overview import overview
from market.domain.formatting import plain
from market.selectors import search_instruments, watched_instruments
from market.streams import connect, read_quotes
from market.views import CHART_SPANS, found_instrument
from portfolio.selectors.pages import fills_of, live_orders_of, orders_of
from portfolio.views.access import day_start, positive_int, user_of
from portfolio.views.scope import safe_next, selected_account, venue_accounts
from portfolio.views.ticket import newest_quote, ticket_context

HOME_ROWS = 6
SEARCH_ROWS = 6
THEME_SECONDS = 365 * 24 * 3600
FILLS_SPAN = timedelta(days=365)


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Send browsers to the console; programs find the API beside it."""
    return redirect("home")


def _home_values(request: HttpRequest) -> dict[str, Any]:
    user, account = user_of(request), selected_account(request)
    live = live_orders_of(user, account=account)
    return {
        "overview": overview(user, account=account, day_start=day_start(request)),
        "orders": live[:HOME_ROWS],
        "order_count": live.count(),
        "cards": bot_cards(user, account=account, limit=HOME_ROWS),
        "events": recent_events(user, limit=HOME_ROWS),
    }


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show where everything stands, and the next thing to do."""
    watched = list(watched_instruments())
    quotes = read_quotes(connect(), [each.pk for each in watched])
    page = _home_values(request)
    page["watchlist"] = [(each, quotes.get(each.pk)) for each in watched]
    is_own = getattr(request, "viewing", None) is None
    page["shortcuts"] = shortcuts(is_own=is_own)
    page["connections"] = connection_lines(
        user_of(request), accounts=venue_accounts(request), is_own=is_own, now=timezone.now()
    )
    return render(request, "finbyte_site/home.html", page)


@login_required
@require_GET
def home_panels(request: HttpRequest) -> HttpResponse:
    """Show the parts of the home page that trades and bots change."""
    return render(request, "finbyte_site/_home_panels.html", _home_values(request))


@login_required
@require_GET
def instrument(request: HttpRequest, exchange: str, tradingsymbol: str) -> HttpResponse:
    """Show an instrument: chart with own fills, depth, quote and the order ticket."""
    found = found_instrument(exchange, tradingsymbol)
    quote = newest_quote(found)
    page = ticket_context(request, found, quote=quote) | {
        "quote": quote,
        "intervals": list(CHART_SPANS),
        "orders": live_orders_of(user_of(request)).filter(instrument=found)[:HOME_ROWS],
        "tiers": range(10),
    }
    return render(request, "finbyte_site/instrument.html", page)


@login_required
@require_GET
def instrument_fills(request: HttpRequest, exchange: str, tradingsymbol: str) -> JsonResponse:
    """Give the user's own fills of an instrument for its chart."""
    found = found_instrument(exchange, tradingsymbol)
    quote = newest_quote(found)
    since = (quote.exchange_time if quote else timezone.now()) - FILLS_SPAN
    fills = fills_of(user_of(request), found, since=since)
    book = positive_int(request.GET.get("book"))
    fills = fills.filter(book_id=book) if book else fills
    newest = fills.reverse()[:500]
    return JsonResponse(
        {
            "fills": [
                {
                    "id": fill.pk,
                    "time": int(fill.exchange_time.timestamp()),
                    "side": fill.side,
                    "price": plain(fill.price),
                    "quantity": plain(fill.quantity),
                }
                for fill in reversed(newest)
            ]
        }
    )


@login_required
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Find instruments, bots and orders while somebody types."""
    text = request.GET.get("q", "")[:40].strip()
    if not text:
        return HttpResponse("")
    user, number = user_of(request), positive_int(text)
    page = {
        "query": text,
        "instruments": search_instruments(text, limit=SEARCH_ROWS),
        "bots": bots_for(user).filter(name__icontains=text)[:SEARCH_ROWS],
        "orders": orders_of(user).filter(pk=number) if number else [],
    }
    return render(request, "finbyte_site/_search.html", page)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme; anything but light and dark follows the system."""
    response = redirect(safe_next(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            theme,
            max_age=THEME_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
