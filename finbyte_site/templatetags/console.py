"""How templates write numbers, times and states: thin names over the pure formatting."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bots.domain.enums import BotStatus
from bots.domain.event_words import event_words as domain_words
from bots.models import BotEvent
from bots.registry import strategy_of
from market.domain import formatting
from market.domain.enums import (
    Interval,
    OrderStatus,
    Product,
    SourceKind,
    TimeInForce,
    Variety,
)
from market.domain.ticks import Quote
from market.models import Instrument
from portfolio.models import Order

register = template.Library()

# What a filter writes for None, and for an attribute that is not there (Django hands it "").
NOTHING = "-"
_ORDER_WORDS = {
    OrderStatus.DENIED: ("Refused", "bad"),
    OrderStatus.READY: ("Accepted, not sent yet", "wait"),
    OrderStatus.SENDING: ("Being sent", "wait"),
    OrderStatus.UNKNOWN: ("Being checked", "warn"),
    OrderStatus.OPEN: ("Open", "wait"),
    OrderStatus.TRIGGER_PENDING: ("Waiting for trigger", "wait"),
    OrderStatus.MODIFY_PENDING: ("Being changed", "wait"),
    OrderStatus.CANCEL_PENDING: ("Being cancelled", "wait"),
    OrderStatus.FILLED: ("Filled", "good"),
    OrderStatus.CANCELLED: ("Cancelled", "quiet"),
    OrderStatus.REJECTED: ("Rejected", "bad"),
    OrderStatus.EXPIRED: ("Expired", "quiet"),
    OrderStatus.NOT_AT_VENUE: ("Never reached the venue", "bad"),
}
_BOT_WORDS = {
    BotStatus.DRAFT: ("Draft", "quiet"),
    BotStatus.VALIDATED: ("Ready to start", "quiet"),
    BotStatus.PENDING_APPROVAL: ("Waiting for approval", "warn"),
    BotStatus.STARTING: ("Starting", "wait"),
    BotStatus.WAITING_TRIGGER: ("Waiting for its trigger price", "wait"),
    BotStatus.RUNNING: ("Running", "good"),
    BotStatus.PAUSED: ("Paused", "warn"),
    BotStatus.STOPPING: ("Stopping", "wait"),
    BotStatus.STOPPED: ("Stopped", "quiet"),
    BotStatus.LIQUIDATED: ("Liquidated", "bad"),
    BotStatus.ERROR: ("Needs you", "bad"),
}
_LEDGER_WORDS = {
    "DEPOSIT": "Paper money paid in",
    "TRANSFER": "Moved between books",
    "TRADE": "Trade and its fee",
}
_VARIETY_WORDS: dict[str, str] = {Variety.AMO: "After market", Variety.AUCTION: "Auction"}
_PRODUCT_WORDS: dict[str, str] = {Product.CNC: "Delivery (CNC)", Product.MIS: "Intraday (MIS)"}
_SOURCE_WORDS: dict[str, str] = {
    SourceKind.SIMULATED: "Simulated",
    SourceKind.REPLAY: "Replay",
    SourceKind.LIVE: "Live",
}
_INTERVAL_WORDS: dict[str, str] = {
    Interval.MINUTE: "1m",
    Interval.MINUTE_5: "5m",
    Interval.MINUTE_15: "15m",
    Interval.HOUR: "1h",
    Interval.DAY: "1d",
}
_ARROWS = {"up": "\u25b2", "down": "\u25bc", "flat": ""}


@register.filter
def price(value: Decimal | str | None, instrument: Instrument) -> str:
    """Write a price with the decimals of the instrument's tick."""
    if not isinstance(value, Decimal):
        return NOTHING
    return formatting.format_price(value, tick=instrument.tick_size, asset=instrument.quote_asset)


@register.filter
def signed_price(value: Decimal | str | None, instrument: Instrument) -> str:
    """Write a price difference with its sign."""
    text = price(value, instrument)
    is_gain = isinstance(value, Decimal) and value > 0 and text.strip("0.,") != ""
    return f"+{text}" if is_gain else text


@register.filter
def day_change(quote: Quote | None) -> tuple[Decimal | None, Decimal | None]:
    """Return what the price has moved since the previous close: amount and fraction."""
    if quote is None:
        return None, None
    moved = quote.last_price - quote.previous_close
    return moved, moved / quote.previous_close if quote.previous_close else None


@register.filter
def volume(value: Decimal, instrument: Instrument) -> str:
    """Write a day's volume; fractions of a unit only where units are large."""
    return formatting.format_number(
        value,
        decimals=0 if instrument.lot_size >= 1 else 2,
        indian=instrument.quote_asset in formatting.INDIAN_ASSETS,
    )


@register.filter
def source_words(source: str | None) -> str:
    """Say where prices come from."""
    return _SOURCE_WORDS.get(source or "", "No prices")


@register.filter
def interval_words(interval: str) -> str:
    """Name a bar length shortly: 5m, 1h, 1d."""
    return _INTERVAL_WORDS.get(interval, interval)


@register.filter
def quantity(value: Decimal | str | None, instrument: Instrument) -> str:
    """Write a quantity with the decimals of the instrument's lot."""
    if not isinstance(value, Decimal):
        return NOTHING
    return formatting.format_quantity(value, lot=instrument.lot_size)


@register.filter
def exact(value: float) -> Decimal:
    """Return a number that is stored as JSON as the filters for numbers want it."""
    return Decimal(str(value))


@register.filter
def unit_name(instrument: Instrument) -> str:
    """Name what one unit is: BTC for BTC/USDT, ONGC for NSE:ONGC."""
    return instrument.base_asset.rpartition(":")[2]


@register.filter
def money(value: Decimal | str | None, asset: str) -> str:
    """Write an amount of a settlement asset."""
    return (
        NOTHING if not isinstance(value, Decimal) else formatting.format_money(value, asset=asset)
    )


@register.filter
def signed_money(value: Decimal | str | None, asset: str) -> str:
    """Write a profit or loss with its sign."""
    return (
        NOTHING
        if not isinstance(value, Decimal)
        else formatting.format_money(value, asset=asset, signed=True)
    )


@register.filter
def percent(value: Decimal | str | None) -> str:
    """Write a fraction as percent."""
    return NOTHING if not isinstance(value, Decimal) else formatting.format_percent(value)


@register.filter
def signed_percent(value: Decimal | str | None) -> str:
    """Write a fraction as percent with its sign."""
    return (
        NOTHING if not isinstance(value, Decimal) else formatting.format_percent(value, signed=True)
    )


@register.filter
def hundredths(value: Decimal | str | None) -> Decimal | None:
    """Turn output percent into the fraction that `percent` writes (decisions 34)."""
    return value / 100 if isinstance(value, Decimal) else None


@register.filter
def negated(value: Decimal | str | None) -> Decimal | None:
    """Turn a loss told as a positive number into a negative one."""
    return -value if isinstance(value, Decimal) else None


@register.filter
def times(value: Decimal, other: Decimal) -> Decimal:
    """Return the product: quantity by price."""
    return value * other


@register.filter
def kind_words(kind: str) -> str:
    """Name a kind of bot."""
    return strategy_of(kind).title


@register.filter
def plain(value: Decimal | str | None) -> str:
    """Write a number as input fields and files want it."""
    return formatting.plain(value) if isinstance(value, Decimal) else ""


@register.filter
def typed_price(value: Decimal | str | None, instrument: Instrument) -> str:
    """Write a price for an input field: the tick's decimals, no grouping."""
    return price(value, instrument).replace(",", "") if isinstance(value, Decimal) else ""


@register.filter
def decimals(step: Decimal) -> int:
    """Return the decimals a tick or lot needs."""
    return formatting.decimals_of(step)


@register.filter
def tone(value: Decimal | str | None) -> str:
    """Return the class of a profit or loss: up, down or flat."""
    return formatting.direction(value) if isinstance(value, Decimal) else "flat"


@register.filter
def arrow(value: Decimal | str | None) -> str:
    """Return an arrow, so that direction is never told by colour alone."""
    return _ARROWS[formatting.direction(value)] if isinstance(value, Decimal) else ""


@register.filter
def moment(value: datetime | str | None, zone: str) -> str:
    """Write date and time with seconds in the user's zone."""
    return formatting.format_moment(value, zone=zone) if isinstance(value, datetime) else NOTHING


@register.filter
def clock(value: datetime | str | None, zone: str) -> str:
    """Write the time with seconds; with the day where it is not today."""
    if not isinstance(value, datetime):
        return NOTHING
    return formatting.format_clock(value, zone=zone, now=timezone.now())


@register.filter
def ago(value: datetime | str | None) -> str:
    """Write how long ago something was."""
    if not isinstance(value, datetime):
        return NOTHING
    return formatting.format_ago(timezone.now() - value)


@register.filter
def running_time(value: datetime | str | None, end: datetime | None = None) -> str:
    """Write for how long something has been running."""
    if not isinstance(value, datetime):
        return NOTHING
    return formatting.format_span((end or timezone.now()) - value)


@register.filter
def is_live(status: str) -> bool:
    """Say whether an order can still fill, be changed or be cancelled."""
    return OrderStatus(status).is_live


@register.filter
def order_event_words(kind: str) -> str:
    """Say what happened to an order."""
    return _sentence(kind)


@register.filter
def variety_words(order: Order) -> str:
    """Say what an order is part of, or what is unlike others about it; usually nothing."""
    if order.variety == Variety.ICEBERG:
        leg = order.meta.get("iceberg", {})
        return f"Iceberg {leg['leg']} of {leg['legs']}" if leg else "Iceberg"
    if order.variety == Variety.CO:
        return "Cover" if order.parent_id is None else "Stop of a cover order"
    return _VARIETY_WORDS.get(order.variety, "")


@register.filter
def validity_words(order: Order) -> str:
    """Say how long an order is valid: the code, or its minutes."""
    is_ttl = order.time_in_force == TimeInForce.TTL
    return f"{order.validity_ttl} min" if is_ttl else order.time_in_force


@register.filter
def product_words(product: str) -> str:
    """Name a product, with the code that programs know it by."""
    return _PRODUCT_WORDS.get(product, product)


@register.filter
def bot_event_words(event: BotEvent) -> str:
    """Write a line of a bot's timeline."""
    spec = event.bot.instrument.spec
    return domain_words(event.kind, event.message, data=event.data, spec=spec)


@register.filter
def ledger_words(kind: str) -> str:
    """Say why money moved."""
    return _LEDGER_WORDS.get(kind, _sentence(kind))


@register.inclusion_tag("_pill.html")
def order_pill(status: str) -> dict[str, Any]:
    """Show an order's state in words; accepted and filled never look alike."""
    words, tone_name = _ORDER_WORDS[OrderStatus(status)]
    return {"words": words, "tone": tone_name, "icon": _icon_of(status)}


@register.inclusion_tag("_pill.html")
def bot_pill(status: str) -> dict[str, Any]:
    """Show a bot's state in words."""
    words, tone_name = _BOT_WORDS[BotStatus(status)]
    return {"words": words, "tone": tone_name, "icon": ""}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Show one of our icons; decoration only, hidden from screen readers."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        extra,
        static("img/icons.svg"),
        name,
    )


def _sentence(code: str) -> str:
    return code.replace("_", " ").capitalize()


def _icon_of(status: str) -> str:
    if status == OrderStatus.FILLED:
        return "fill"
    return "clock" if OrderStatus(status).is_live else ""
