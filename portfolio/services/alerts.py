"""Setting, changing and deleting alerts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts.models import User
from accounts.services.users import lock_user
from market.domain.enums import OrderType, Product, Side, TimeInForce
from market.domain.formatting import plain
from market.domain.ticks import Quote
from market.exceptions import QuoteUnavailable
from market.models import Instrument
from portfolio.domain.alerts import AlertKind, AlertStatus, Operator, Wake, wake_of
from portfolio.domain.drafts import Defect, Draft, find_defect, refusal_of
from portfolio.exceptions import AlertNotFound, InvalidOrder
from portfolio.models import Alert
from portfolio.services.locking import require_transaction

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BasketItem:
    """One order that an alert places; units, and quote asset per unit."""

    instrument: Instrument
    side: Side
    order_type: OrderType
    product: Product
    quantity: Decimal
    time_in_force: TimeInForce
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    disclosed_quantity: Decimal = ZERO
    market_protection: Decimal = ZERO
    tag: str = ""
    weight: int = 0


@dataclass(frozen=True, slots=True)
class AlertTerms:
    """What somebody wants an alert to be: `constant` or `other` is the right side."""

    kind: AlertKind
    name: str
    instrument: Instrument
    operator: Operator
    constant: Decimal | None = None
    other: Instrument | None = None
    basket: Sequence[BasketItem] = field(default_factory=tuple)

    @property
    def tokens(self) -> list[int]:
        """Return the instruments whose quotes are needed."""
        return [each.pk for each in (self.instrument, self.other) if each is not None]


def create_alert(
    user: User,
    terms: AlertTerms,
    *,
    quotes: Mapping[int, Quote],
    api_app_id: int | None,
    now: datetime,
) -> Alert:
    """Set an alert. Raises `InvalidOrder`, or `QuoteUnavailable` without any price.

    The user has so many at once; he is locked to count them.
    """
    require_transaction()
    columns = _columns(terms, quotes)
    _refuse_too_many(user)
    return Alert.objects.create(
        user=user, api_app_id=api_app_id, created_at=now, updated_at=now, **columns
    )


def change_alert(
    user: User,
    uuid: UUID,
    terms: AlertTerms,
    *,
    status: AlertStatus = AlertStatus.ENABLED,
    quotes: Mapping[int, Quote],
    now: datetime,
) -> Alert:
    """Give an alert other terms and begin anew with it; one that was disabled is enabled again.

    Raises what `create_alert` raises, or `AlertNotFound`.
    """
    require_transaction()
    lock_user(user.pk)
    alert = _locked(user, [uuid])[0]
    columns = _columns(terms, quotes)
    if status is AlertStatus.ENABLED and alert.status != AlertStatus.ENABLED:
        _refuse_too_many(user)
    changes = {
        **columns,
        "status": status,
        "disabled_reason": "",
        "is_fresh": True,
        "revision": alert.revision + 1,
        "rest_until": None,
        "updated_at": now,
    }
    for name, value in changes.items():
        setattr(alert, name, value)
    alert.save()
    return alert


def delete_alerts(user: User, uuids: Iterable[UUID], *, now: datetime) -> int:
    """Delete alerts, all or none. Raises `AlertNotFound` when one is not the user's."""
    require_transaction()
    alerts = _locked(user, uuids)
    ids = [alert.pk for alert in alerts]
    return Alert.objects.filter(pk__in=ids).update(status=AlertStatus.DELETED, updated_at=now)


def _locked(user: User, uuids: Iterable[UUID]) -> list[Alert]:
    wanted = set(uuids)
    rows = Alert.objects.for_user(user).exclude(status=AlertStatus.DELETED)
    found = list(rows.filter(uuid__in=wanted).select_for_update(no_key=True).order_by("pk"))
    missing = wanted - {alert.uuid for alert in found}
    if missing:
        raise AlertNotFound(f"There is no alert {min(missing)}")
    return found


def _refuse_too_many(user: User) -> None:
    lock_user(user.pk)
    most = settings.ALERTS_MOST_ENABLED
    enabled = Alert.objects.for_user(user).filter(status=AlertStatus.ENABLED).count()
    if enabled >= most:
        message = f"You have {enabled} enabled alerts; {most} are allowed. Delete one first."
        raise InvalidOrder(message, field="name", code="TOO_MANY", maximum=Decimal(most))


# ------------------------------------------------------------------------------------- columns


def _columns(terms: AlertTerms, quotes: Mapping[int, Quote]) -> dict[str, Any]:
    """Return what an alert is, and how things stand: it fires when that changes."""
    left = _quote(terms.instrument, quotes)
    right = None if terms.other is None else _quote(terms.other, quotes)
    against = terms.constant if right is None else right.last_price
    if against is None:
        raise ValueError("an alert needs a number or a second instrument")
    is_true = terms.operator.holds(left.last_price, against)
    wake = Wake()
    if right is None:
        wake = wake_of(terms.operator, against, is_true=is_true)
    return {
        "kind": terms.kind,
        "name": terms.name,
        "instrument": terms.instrument,
        "operator": terms.operator,
        "constant": terms.constant,
        "other": terms.other,
        "basket": _basket(terms.basket) if terms.kind is AlertKind.ATO else None,
        "is_true": is_true,
        "wake_below": wake.below,
        "wake_above": wake.above,
        "wake_touch": wake.touch,
        "price_run": left.price_run,
        "other_run": "" if right is None else right.price_run,
        "seen_sequence": left.sequence,
    }


def _quote(instrument: Instrument, quotes: Mapping[int, Quote]) -> Quote:
    quote = quotes.get(instrument.pk)
    if quote is None:
        raise QuoteUnavailable(f"There is no price of {instrument.symbol} to set an alert from")
    return quote


def _basket(items: Sequence[BasketItem]) -> dict[str, Any]:
    for number, item in enumerate(items):
        defect = find_defect(_draft(item))
        if defect is not None:
            raise refusal_of(_in_item(defect, number))
    return {"items": [_item(item, number) for number, item in enumerate(items, start=1)]}


def _draft(item: BasketItem) -> Draft:
    return Draft(
        instrument=item.instrument.spec,
        side=item.side,
        order_type=item.order_type,
        product=item.product,
        quantity=item.quantity,
        price=item.price,
        trigger_price=item.trigger_price,
        protection_price=None,
        disclosed_quantity=item.disclosed_quantity,
        market_protection=item.market_protection,
    )


def _in_item(defect: Defect, number: int) -> Defect:
    name = "tradingsymbol" if defect.field == "instrument" else f"params.{defect.field}"
    field_name = f"basket.items[{number}].{name}"
    return Defect(field_name, defect.code, defect.message, defect.minimum, defect.maximum)


def _item(item: BasketItem, number: int) -> dict[str, Any]:
    """Return an order as it is kept: decimals as texts, names as on the wire."""
    return {
        "id": number,
        "exchange": item.instrument.exchange,
        "tradingsymbol": item.instrument.tradingsymbol,
        "instrument_token": item.instrument.pk,
        "weight": item.weight,
        "params": {
            "transaction_type": item.side.value,
            "order_type": item.order_type.value,
            "product": item.product.value,
            "validity": item.time_in_force.value,
            "quantity": plain(item.quantity),
            "price": plain(item.price or ZERO),
            "trigger_price": plain(item.trigger_price or ZERO),
            "disclosed_quantity": plain(item.disclosed_quantity),
            "market_protection": plain(item.market_protection),
            "tags": [item.tag] if item.tag else [],
        },
    }
