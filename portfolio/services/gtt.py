"""Setting, changing and deleting GTT triggers. No money is held before one fires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from accounts.models import User
from market.domain.enums import OrderType, Product, Side
from market.domain.ticks import Quote
from market.exceptions import QuoteUnavailable
from market.models import Instrument
from portfolio.domain.drafts import Defect, Draft, find_defect, refusal_of
from portfolio.domain.gtt import LIFE, GttKind, GttStatus, Levels, level_defect, levels_of
from portfolio.exceptions import InvalidOrder, TriggerNotChangeable, TriggerNotFound
from portfolio.models import Book, GttLeg, GttTrigger
from portfolio.services.intraday import book_for
from portfolio.services.locking import lock_books, require_transaction


@dataclass(frozen=True, slots=True)
class LegTerms:
    """One LIMIT order that a trigger places: units, and quote asset per unit."""

    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class GttTerms:
    """What somebody wants a trigger to be; `seen_price` is the last price that he knew."""

    kind: GttKind
    instrument: Instrument
    side: Side
    product: Product
    values: Sequence[Decimal]
    seen_price: Decimal
    legs: Sequence[LegTerms]


def create_trigger(
    user: User, terms: GttTerms, *, quote: Quote | None, api_app_id: int | None, now: datetime
) -> GttTrigger:
    """Set a trigger. Raises `InvalidOrder`, or `QuoteUnavailable` without any price.

    The account takes so many at once; who sets one of its triggers locks the book to count them.
    """
    require_transaction()
    quote, levels = _checked(terms, quote)
    book = book_for(user, product=terms.product, quote_asset=terms.instrument.quote_asset, now=now)
    _refuse_too_many(book, now=now)
    trigger = GttTrigger.objects.create(
        user=user,
        book=book,
        instrument=terms.instrument,
        api_app_id=api_app_id,
        created_at=now,
        updated_at=now,
        expires_at=now + LIFE,
        **_columns(terms, levels, quote),
    )
    _write_legs(trigger, terms)
    return trigger


def change_trigger(
    user: User, trigger_id: int, terms: GttTerms, *, quote: Quote | None, now: datetime
) -> GttTrigger:
    """Give an active trigger other terms; it keeps id, instrument and end.

    Raises what `create_trigger` raises, `TriggerNotFound` or `TriggerNotChangeable`.
    """
    trigger = _locked(user, trigger_id, now=now)
    if terms.instrument.pk != trigger.instrument_id:
        message = "A trigger keeps its instrument. Delete it and place another one."
        raise InvalidOrder(message, field="condition.tradingsymbol", code="NOT_ALLOWED")
    quote, levels = _checked(terms, quote)
    changes = {**_columns(terms, levels, quote), "revision": trigger.revision + 1}
    for name, value in {**changes, "is_fresh": True, "updated_at": now}.items():
        setattr(trigger, name, value)
    trigger.save()
    trigger.legs.all().delete()
    _write_legs(trigger, terms)
    return trigger


def delete_trigger(user: User, trigger_id: int, *, now: datetime) -> GttTrigger:
    """Delete an active trigger; no market is needed for it."""
    trigger = _locked(user, trigger_id, now=now)
    trigger.status, trigger.updated_at = GttStatus.DELETED, now
    trigger.save(update_fields=["status", "updated_at"])
    return trigger


def _locked(user: User, trigger_id: int, *, now: datetime) -> GttTrigger:
    require_transaction()
    rows = GttTrigger.objects.for_user(user).select_for_update(no_key=True)
    trigger = rows.filter(pk=trigger_id).first()
    if trigger is None:
        raise TriggerNotFound(f"There is no trigger {trigger_id}")
    status = trigger.status
    if status == GttStatus.ACTIVE and trigger.expires_at <= now:
        status = GttStatus.EXPIRED
    if status != GttStatus.ACTIVE:
        raise TriggerNotChangeable(f"Trigger {trigger_id} is {status} and cannot be changed")
    return trigger


def _refuse_too_many(book: Book, *, now: datetime) -> None:
    lock_books([book.pk], now=now)
    most = settings.GTT_MOST_ACTIVE
    active = GttTrigger.objects.filter(book=book, status=GttStatus.ACTIVE).count()
    if active >= most:
        message = (
            f"This account has {active} active triggers; {most} are allowed. Delete one first."
        )
        raise InvalidOrder(message, field="condition", code="TOO_MANY", maximum=Decimal(most))


# ------------------------------------------------------------------------------------ checking


def _checked(terms: GttTerms, quote: Quote | None) -> tuple[Quote, Levels]:
    """Return quote and levels, and refuse what is wrong in itself or has been reached already."""
    spec = terms.instrument.spec
    for number, leg in enumerate(terms.legs):
        defect = find_defect(_draft(terms, leg))
        if defect is not None:
            raise refusal_of(_in_leg(defect, number))
    if quote is None:
        raise QuoteUnavailable(f"There is no price of {spec.symbol} to set a trigger from")
    levels = levels_of(terms.values, seen_price=terms.seen_price)
    defect = level_defect(levels, last_price=quote.last_price, spec=spec)
    if defect is not None:
        raise refusal_of(defect)
    return quote, levels


def _draft(terms: GttTerms, leg: LegTerms) -> Draft:
    return Draft(
        instrument=terms.instrument.spec,
        side=terms.side,
        order_type=OrderType.LIMIT,
        product=terms.product,
        quantity=leg.quantity,
        price=leg.price,
        trigger_price=None,
        protection_price=None,
    )


def _in_leg(defect: Defect, number: int) -> Defect:
    """Name the field of the leg; the instrument is the condition's."""
    field = f"orders[{number}].{defect.field}"
    if defect.field == "instrument":
        field = "condition.tradingsymbol"
    return Defect(field, defect.code, defect.message, defect.minimum, defect.maximum)


# ------------------------------------------------------------------------------------- writing


def _columns(terms: GttTerms, levels: Levels, quote: Quote) -> dict[str, Any]:
    return {
        "kind": terms.kind,
        "side": terms.side,
        "product": terms.product,
        "fire_below": levels.fire_below,
        "fire_above": levels.fire_above,
        "last_price": quote.last_price,
        "price_run": quote.price_run,
        "seen_sequence": quote.sequence,
    }


def _write_legs(trigger: GttTrigger, terms: GttTerms) -> None:
    GttLeg.objects.bulk_create(
        GttLeg(trigger=trigger, number=number, quantity=leg.quantity, price=leg.price)
        for number, leg in enumerate(terms.legs)
    )
