"""Placing orders for programs: from checked fields to an order, in one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request

from accounts.domain.client_address import client_address
from accounts.exceptions import InvalidInput, Refused
from accounts.models import ApiApp, ApiSession, User
from accounts.services.api_apps import is_address_allowed
from api.errors import error_data, wire_error
from api.exceptions import OrderDenied
from api.writes import idempotency_key, session_of
from bots.selectors import owners_of_books
from market.domain.enums import OrderStatus, OrderType, Product, Side, TimeInForce, Variety
from market.domain.formatting import plain
from market.domain.instruments import InstrumentSpec
from market.domain.ticks import Quote
from market.exceptions import InstrumentNotFound
from market.models import Instrument
from market.streams import connect, read_quotes
from portfolio.domain.compliance import rules_of
from portfolio.exceptions import (
    IdempotencyConflict,
    InsufficientUnits,
    InvalidOrder,
    PortfolioError,
)
from portfolio.models import Book, Order
from portfolio.selectors.api_orders import units_elsewhere
from portfolio.services.intraday import book_for, place_for
from portfolio.services.order_plans import (
    AuctionTerms,
    CoverTerms,
    IcebergTerms,
    place_slices,
    place_varied,
)
from portfolio.services.orders import OrderRequest, PlacedOrder, place_order, wake_gateway
from portfolio.services.slices import SliceResult

ZERO = Decimal(0)
Placed = PlacedOrder | list[SliceResult]
# Fields that the wire calls otherwise than we do.
_WIRE_NAMES = {
    "side": "transaction_type",
    "instrument": "tradingsymbol",
    "time_in_force": "validity",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that a program wants: what, from which book, at which market."""

    instrument: Instrument
    book: Book
    request: OrderRequest
    quote: Quote | None


@contextmanager
def in_wire_names() -> Iterator[None]:
    """Let a refusal name its field as the program has sent it."""
    try:
        yield
    except InvalidOrder as error:
        error.field = _WIRE_NAMES.get(error.field, error.field)
        raise


def variety_of(text: str) -> Variety:
    """Return the variety of an address. Raises `InvalidInput`."""
    try:
        return Variety(text)
    except ValueError:
        known = ", ".join(Variety)
        what = "Bracket orders (bo) are" if text == "bo" else f"`{text}` is"
        message = f"{what} not offered. Use one of {known}."
        raise InvalidInput(message, field="variety", code="not_offered") from None


def require_address(request: Request) -> ApiSession:
    """Return the session that may trade from where it calls. Raises `Refused`."""
    session = session_of(request)
    if not is_address_allowed(session.app, client_address(request.META)):
        raise Refused(
            f"Orders of the app {session.app.name} come from its registered addresses only."
        )
    return session


def require_registered_address(app: ApiApp, profile: str) -> None:
    """Refuse an app without registered addresses where an account's rules demand one."""
    if rules_of(profile).static_address and not app.allowed_addresses:
        raise Refused(
            "This account takes orders from registered addresses only: register one for the app "
            f"{app.name} first."
        )


def newest_quote(instrument_token: int) -> Quote | None:
    """Return the newest quote of an instrument; without Redis it raises, before anything is done."""
    return read_quotes(connect(), [instrument_token]).get(instrument_token)


def place(request: Request, variety: Variety, fields: dict[str, Any]) -> dict[str, Any]:
    """Place the order of a program and return what to answer.

    Raises `OrderDenied` for one that policy denied: it is kept, and listed as rejected.
    """
    wish = _wish(request, variety, fields)
    act = _act_of(variety, fields)
    try:
        with in_wire_names(), transaction.atomic(durable=True):
            placed = act(
                wish.book.pk,
                wish.request,
                quote=wish.quote,
                now=timezone.now(),
                enqueue=wake_gateway,
            )
    except InsufficientUnits as error:
        raise _naming_owners(error, session_of(request).user, wish) from None
    except IdempotencyConflict:
        message = "This key was used with other parameters. Use a new one."
        raise IdempotencyConflict(message) from None
    first, *others = placed if isinstance(placed, list) else [placed]
    answer: dict[str, Any] = _child(first)
    if isinstance(placed, list):
        answer["children"] = [_outcome(each) for each in others]
    return answer


def _act_of(variety: Variety, fields: dict[str, Any]) -> Callable[..., Placed]:
    """Return the service that places orders of a variety."""
    slices = bool(fields.get("autoslice"))
    if variety in {Variety.REGULAR, Variety.AMO}:
        return place_slices if slices else place_order
    if slices:
        message = f"`autoslice` is for regular and amo orders, not for {variety}."
        raise InvalidInput(message, field="autoslice", code="not_offered")
    return partial(place_varied, terms=_terms(variety, fields))


def _terms(variety: Variety, fields: dict[str, Any]) -> CoverTerms | IcebergTerms | AuctionTerms:
    match variety:
        case Variety.CO:
            return CoverTerms(_needed(fields, "trigger_price"))
        case Variety.ICEBERG:
            legs, size = (_needed(fields, f"iceberg_{name}") for name in ("legs", "quantity"))
            return IcebergTerms(legs, size)
        case _:
            return AuctionTerms(_needed(fields, "auction_number"))


def _needed(fields: dict[str, Any], name: str) -> Any:
    """Return a field that one variety needs."""
    if name not in fields:
        raise InvalidInput(f"Missing or empty field `{name}`.", field=name, code="required")
    return fields[name]


def _child(placed: SliceResult) -> dict[str, Any]:
    """Return the id of an order; raise what stands in its place."""
    if isinstance(placed, PortfolioError):
        raise placed
    if placed.status is OrderStatus.DENIED:
        raise OrderDenied(placed.message, code=placed.code, order_id=str(placed.order_id))
    return {"order_id": str(placed.order_id)}


def _outcome(placed: SliceResult) -> dict[str, Any]:
    """Return what came of one slice: its id, or the error that it would have been by itself."""
    try:
        return _child(placed)
    except (PortfolioError, OrderDenied) as error:
        wire = wire_error(error)
        return {
            "error": {
                "code": wire.status,
                "error_type": wire.error_type,
                "message": str(error),
                "data": error_data(error),
            }
        }


def _wish(request: Request, variety: Variety, fields: dict[str, Any]) -> Wish:
    session = require_address(request)
    product = Product(fields["product"])
    if product not in session.app.products:
        raise Refused(f"The app {session.app.name} may not trade {product}.")
    instrument, found = _place_of(session.user, product, fields)
    quote = newest_quote(instrument.pk)
    book = found or book_for(
        session.user,
        product=product,
        quote_asset=instrument.quote_asset,
        now=timezone.now(),
    )
    require_registered_address(session.app, book.venue_account.compliance_profile)
    wanted = _order_request(request, variety, spec=instrument.spec, fields=fields)
    return Wish(instrument, book, wanted, quote)


def _place_of(
    user: User, product: Product, fields: dict[str, Any]
) -> tuple[Instrument, Book | None]:
    names = {name: fields[name] for name in ("exchange", "tradingsymbol")}
    try:
        return place_for(user, product=product, **names)
    except InstrumentNotFound as error:
        raise InvalidInput(str(error), field="tradingsymbol", code="unknown") from error


def _order_request(
    request: Request, variety: Variety, *, spec: InstrumentSpec, fields: dict[str, Any]
) -> OrderRequest:
    """Return the order asked for; prices that its type does not have are not looked at, as Kite's."""
    order_type = OrderType(fields["order_type"])
    return OrderRequest(
        instrument=spec,
        side=Side(fields["transaction_type"]),
        order_type=order_type,
        quantity=fields["quantity"],
        time_in_force=_validity(fields),
        price=fields.get("price") if order_type.has_price else None,
        trigger_price=fields.get("trigger_price") if order_type.is_stop else None,
        product=Product(fields["product"]),
        source=Order.Source.API,
        idempotency_key=_key(request, fields),
        variety=variety,
        validity_ttl=fields.get("validity_ttl", 0) if fields.get("validity") == "TTL" else 0,
        disclosed_quantity=fields.get("disclosed_quantity", ZERO),
        market_protection=fields.get("market_protection", ZERO),
        api_app_id=session_of(request).app_id,
        tag=fields.get("tag", ""),
        meta=_meta(fields),
    )


def _validity(fields: dict[str, Any]) -> TimeInForce:
    validity = TimeInForce(fields.get("validity", TimeInForce.DAY))
    if validity is TimeInForce.TTL and not fields.get("validity_ttl"):
        message = "Missing or empty field `validity_ttl`: for how many minutes?"
        raise InvalidInput(message, field="validity_ttl", code="required")
    return validity


def _meta(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the order carries along unread."""
    return {name: fields[name] for name in ("algo_id", "client_order_id") if name in fields}


def _key(request: Request, fields: dict[str, Any]) -> str | None:
    """Return what makes a retry the same order: the header, or the program's own order id.

    The blank keeps the two apart: no header has one.
    """
    header, own = idempotency_key(request), fields.get("client_order_id")
    if header is not None and own is not None:
        message = "Send either `client_order_id` or the header Idempotency-Key, not both."
        raise InvalidInput(message, field="client_order_id", code="both")
    return header if own is None else f"{session_of(request).app_id} {own}"


def _naming_owners(error: InsufficientUnits, user: User, wish: Wish) -> InsufficientUnits:
    """Return the refusal with the bots that own what the book cannot sell (decisions 29)."""
    units = units_elsewhere(user, wish.instrument, wish.book)
    bots = owners_of_books(user) if units else {}
    owned = [(bots[book_id], quantity) for book_id, quantity in units if book_id in bots]
    if owned:
        words = [f"{bot.name} ({bot.tag}) owns {plain(quantity)}" for bot, quantity in owned]
        error.args = ("; ".join([str(error), *words]),)
        error.owners = ", ".join(bot.tag for bot, _ in owned)
    return error
