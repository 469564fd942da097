"""What a person does to orders: place, change, cancel. Each act is one transaction."""

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from market.domain.enums import OrderStatus, OrderType, Side, TimeInForce, Variety
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.selectors import instrument_by_token
from portfolio.exceptions import (
    IdempotencyConflict,
    InsufficientFunds,
    InvalidOrder,
    OrderNotChangeable,
)
from portfolio.forms import OrderChangeForm, OrderForm
from portfolio.models import Book, Order
from portfolio.selectors.pages import books_by_hand_of, live_orders_of
from portfolio.services.order_plans import cancel_varied, modify_varied
from portfolio.services.orders import (
    OrderRequest,
    PlacedOrder,
    cancel_all,
    place_order,
    wake_gateway,
)
from portfolio.views.access import user_of
from portfolio.views.messages import toasted
from portfolio.views.orders import found_order
from portfolio.views.scope import selected_account
from portfolio.views.ticket import (
    estimate,
    newest_quote,
    quote_if_any,
    ticket_book,
    ticket_context,
)

INVALID = 422


def _instrument(token: int) -> Instrument:
    try:
        return instrument_by_token(token)
    except InstrumentNotFound as error:
        raise Http404(str(error)) from error


def _ticket(
    request: HttpRequest,
    instrument: Instrument,
    *,
    form: OrderForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = ticket_context(request, instrument, form=form, quote=newest_quote(instrument))
    return render(request, "portfolio/_ticket.html", context, status=status)


def _place(book: Book, instrument: Instrument, form: OrderForm) -> PlacedOrder:
    values = form.cleaned_data
    wanted = OrderRequest(
        instrument=instrument.spec,
        side=Side(values["side"]),
        order_type=OrderType(values["order_type"]),
        quantity=values["quantity"],
        time_in_force=TimeInForce(values["time_in_force"]),
        price=values["price"],
        trigger_price=values["trigger_price"],
        source=Order.Source.CONSOLE,
        idempotency_key=values["idempotency_key"] or None,
    )
    quote = newest_quote(instrument)
    with transaction.atomic(durable=True):
        return place_order(book.pk, wanted, quote=quote, now=timezone.now(), enqueue=wake_gateway)


@login_required
@require_POST
def order_place(request: HttpRequest, token: int) -> HttpResponse:
    """Place the ticket's order; a wrong field is named and nothing is written."""
    instrument, form = _instrument(token), OrderForm(request.POST)
    book = ticket_book(request, instrument)
    if book is None:
        raise Http404("There is no account to trade this from.")
    if not form.is_valid():
        return _ticket(request, instrument, form=form, status=INVALID)
    try:
        placed = _place(book, instrument, form)
    except InvalidOrder as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _ticket(request, instrument, form=form, status=INVALID)
    except (InsufficientFunds, IdempotencyConflict) as error:
        form.add_error("quantity", str(error))
        return _ticket(request, instrument, form=form, status=INVALID)
    if placed.status == OrderStatus.DENIED:
        form.add_error(None, placed.message)
        return _ticket(request, instrument, form=form, status=INVALID)
    words = (
        f"Accepted, not filled yet: {form.cleaned_data['side'].lower()} {instrument.tradingsymbol}."
    )
    return toasted(_ticket(request, instrument), words)


@login_required
@require_POST
def order_preview(request: HttpRequest, token: int) -> HttpResponse:
    """Show what the typed order would cost; writes nothing."""
    instrument, form = _instrument(token), OrderForm(request.POST)
    form.is_valid()
    quote = newest_quote(instrument)
    context = ticket_context(request, instrument, form=form, quote=quote)
    if context["balances"] is not None:
        context["estimate"] = estimate(
            form.cleaned_data,
            instrument,
            balances=context["balances"],
            quote=quote,
            at=timezone.now(),
        )
    return render(request, "portfolio/_ticket_cost.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def order_modify(request: HttpRequest, order_id: int) -> HttpResponse:
    """Change an open order in its row."""
    order = found_order(request, order_id)
    if request.method == "GET":
        return render(request, "portfolio/_order_edit.html", {"order": order})
    form = OrderChangeForm(request.POST)
    if not form.is_valid():
        page = {"order": order, "form": form}
        return render(request, "portfolio/_order_edit.html", page, status=INVALID)
    changes = form.changes(quantity=order.quantity, price=order.price, trigger=order.trigger_price)
    try:
        with transaction.atomic(durable=True):
            modify_varied(
                user_of(request),
                order.pk,
                quote=newest_quote(order.instrument),
                now=timezone.now(),
                enqueue=wake_gateway,
                **changes,
            )
    except (InvalidOrder, InsufficientFunds, OrderNotChangeable) as error:
        field = getattr(error, "field", None)
        form.add_error(field if field in form.fields else None, str(error))
        page = {"order": order, "form": form}
        return render(request, "portfolio/_order_edit.html", page, status=INVALID)
    row = render(request, "portfolio/_order_row.html", {"order": found_order(request, order_id)})
    return toasted(row, "Change asked for; the row shows when the venue has confirmed it.")


@login_required
@require_POST
def order_cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for one order to be cancelled, and for what it has got of a cover order to be left."""
    order = found_order(request, order_id)
    words, tone = "Cancel asked for; the row shows when it is done.", "success"
    quote = quote_if_any(order.instrument) if order.variety == Variety.CO else None
    try:
        with transaction.atomic(durable=True):
            cancel_varied(
                user_of(request), order.pk, quote=quote, now=timezone.now(), enqueue=wake_gateway
            )
    except OrderNotChangeable as error:
        words, tone = str(error), "warning"
    row = render(request, "portfolio/_order_row.html", {"order": found_order(request, order_id)})
    return toasted(row, words, tone=tone)


@login_required
@require_GET
def order_cancel_all_sheet(request: HttpRequest) -> HttpResponse:
    """Say how many orders "cancel all" would cancel, before it does."""
    live = live_orders_of(user_of(request), account=selected_account(request))
    of_bots = live.filter(book__kind=Book.Kind.BOT).count()
    counts = {"manual": live.count() - of_bots, "bots": of_bots}
    return render(request, "portfolio/_cancel_all.html", counts)


@login_required
@require_POST
def order_cancel_all(request: HttpRequest) -> HttpResponse:
    """Cancel every open order placed by hand; orders of bots belong to their bots."""
    count = 0
    # One transaction per book: locks of a second book must not be taken after orders of a first.
    for book in books_by_hand_of(user_of(request), account=selected_account(request)):
        with transaction.atomic(durable=True):
            count += cancel_all(book, now=timezone.now(), enqueue=wake_gateway)
    noun = "order" if count == 1 else "orders"
    response = HttpResponse(status=204)
    response["HX-Refresh"] = "true"
    return toasted(response, f"Cancel asked for {count} {noun}.")
