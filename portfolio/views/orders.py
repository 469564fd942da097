"""The order pages: lists, the life of an order, and the acts on orders."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market.domain.formatting import plain
from portfolio.exceptions import OrderNotFound
from portfolio.models import Order
from portfolio.selectors.pages import (
    PAGE_SIZE,
    live_orders_of,
    order_life,
    order_of,
    orders_of,
)
from portfolio.views.access import day_start, positive_int, user_of
from portfolio.views.csv_files import MAX_ROWS, csv_response
from portfolio.views.scope import selected_account

TABS = {"open": "Open", "today": "Today", "history": "History"}
OPEN_LIMIT = 500


def _orders(request: HttpRequest, tab: str) -> QuerySet[Order]:
    user, account = user_of(request), selected_account(request)
    if tab == "open":
        return live_orders_of(user, account=account)
    rows = orders_of(user, account=account)
    return rows.filter(created_at__gte=day_start(request)) if tab == "today" else rows


def found_order(request: HttpRequest, order_id: int) -> Order:
    """Return the user's order or answer 404, whoever owns it."""
    try:
        return order_of(user_of(request), order_id)
    except OrderNotFound as error:
        raise Http404(str(error)) from error


@login_required
@require_GET
def order_list(request: HttpRequest) -> HttpResponse:
    """Show open, today's or all orders; further pages come as rows."""
    tab = request.GET.get("tab", "open")
    tab = tab if tab in TABS else "open"
    rows = _orders(request, tab)
    before = positive_int(request.GET.get("before"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    size = OPEN_LIMIT if tab == "open" else PAGE_SIZE
    orders = list(rows[: size + 1])
    page: dict[str, Any] = {"tab": tab, "tabs": TABS, "orders": orders[:size]}
    page["more_before"] = orders[size - 1].pk if len(orders) > size else None
    return render(
        request, "portfolio/_order_rows.html" if before else "portfolio/orders.html", page
    )


@login_required
@require_GET
def order_rows(request: HttpRequest) -> HttpResponse:
    """Return the rows of a few orders by id, as they stand now."""
    ids = [positive_int(text) for text in request.GET.get("ids", "").split(",")[:200]]
    orders = orders_of(user_of(request), account=selected_account(request))
    wanted = orders.filter(pk__in=[each for each in ids if each]).order_by("pk")
    return render(request, "portfolio/_order_rows.html", {"orders": wanted})


@login_required
@require_GET
def order_row(request: HttpRequest, order_id: int) -> HttpResponse:
    """Return one order's row."""
    return render(request, "portfolio/_order_row.html", {"order": found_order(request, order_id)})


@login_required
@require_GET
def order_detail(request: HttpRequest, order_id: int) -> HttpResponse:
    """Show the life of an order: every state with its time and cause, and its trades."""
    order = found_order(request, order_id)
    page = {
        "order": order,
        "events": order_life(order),
        "trades": order.trades.select_related("instrument").order_by("pk"),
    }
    is_row = request.headers.get("HX-Request") == "true"
    return render(request, "portfolio/_order_life.html" if is_row else "portfolio/order.html", page)


@login_required
@require_GET
def order_csv(request: HttpRequest) -> HttpResponse:
    """Give the orders of a tab as a file."""
    tab = request.GET.get("tab", "history")
    header = (
        "order_id", "created_at", "exchange", "tradingsymbol", "book", "side", "order_type",
        "time_in_force", "quantity", "filled_quantity", "price", "trigger_price", "status",
        "status_code", "status_message",
    )  # fmt: skip
    rows = (_csv_row(order) for order in _orders(request, tab)[:MAX_ROWS].iterator(1000))
    return csv_response(
        f"finbyte-orders-{tab if tab in TABS else 'history'}", header=header, rows=rows
    )


def _csv_row(order: Order) -> list[object]:
    return [
        order.pk,
        order.created_at.isoformat(),
        order.instrument.exchange,
        order.instrument.tradingsymbol,
        order.book.name,
        order.side,
        order.order_type,
        order.time_in_force,
        plain(order.quantity),
        plain(order.filled_quantity),
        "" if order.price is None else plain(order.price),
        "" if order.trigger_price is None else plain(order.trigger_price),
        order.status,
        order.status_code,
        order.status_message,
    ]
