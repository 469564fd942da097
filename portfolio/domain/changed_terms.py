"""Changed terms as texts: what is asked of a venue, kept with the order until it answers."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from market.domain.enums import OrderType, TimeInForce
from market.domain.formatting import plain
from market.domain.messages import OrderTerms

Texts = Mapping[str, str | None]

# Said of every change; the rest only where it differs.
_ALWAYS = frozenset({"quantity", "price", "trigger_price"})


def changed_texts(before: OrderTerms, after: OrderTerms) -> dict[str, str | None]:
    """Return what a change asks for."""
    names = [field.name for field in fields(OrderTerms)]
    return {
        name: _text(getattr(after, name))
        for name in names
        if name in _ALWAYS or getattr(after, name) != getattr(before, name)
    }


def terms_after(before: OrderTerms, asked: Texts) -> OrderTerms:
    """Return the terms that a change leads to; what it does not name stays."""
    return replace(before, **{name: _value(name, text) for name, text in asked.items()})


def asks_for_less(before: OrderTerms, after: OrderTerms) -> bool:
    """Say whether a change asks for less of the same, or the same: no switch and no limit forbids it."""
    return after.quantity <= before.quantity and _prices_of(after) == _prices_of(before)


def _prices_of(terms: OrderTerms) -> tuple[object, ...]:
    return terms.order_type, terms.price, terms.trigger_price, terms.protection_price


def _text(value: Decimal | datetime | str | None) -> str | None:
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _value(name: str, text: str | None) -> Any:
    if text is None:
        return None
    match name:
        case "order_type":
            return OrderType(text)
        case "time_in_force":
            return TimeInForce(text)
        case "expires_at":
            return datetime.fromisoformat(text)
        case _:
            return Decimal(text)
