"""Order forms: they turn typed text into values; the services decide what is allowed."""

from decimal import Decimal
from typing import Any

from django import forms

from market.domain.enums import OrderType, Side, TimeInForce
from market.domain.typed_numbers import typed_number
from portfolio.services.modifications import OrderChange

MAX_DIGITS, DECIMAL_PLACES = 28, 12


class TypedDecimalField(forms.DecimalField):
    """A number as people type it: plain, or grouped exactly right."""

    def to_python(self, value: Any) -> Any:
        """Return the number; refuse what could be meant in two ways."""
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        number = typed_number(text)
        if number is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return number


def _number(label: str, *, required: bool) -> TypedDecimalField:
    return TypedDecimalField(
        label=label,
        required=required,
        max_digits=MAX_DIGITS,
        decimal_places=DECIMAL_PLACES,
        error_messages={
            "required": f"Enter a {label.lower()}.",
            "invalid": f"{label} must be a number like 1234.50.",
            "max_digits": f"{label} has too many digits.",
            "max_whole_digits": f"{label} has too many digits.",
            "max_decimal_places": f"{label} has more than {DECIMAL_PLACES} decimals.",
        },
    )


class OrderForm(forms.Form):
    """The order ticket."""

    side = forms.ChoiceField(choices=[(s, s.title()) for s in Side])
    order_type = forms.ChoiceField(choices=[(t, t) for t in OrderType])
    time_in_force = forms.ChoiceField(choices=[(t, t) for t in TimeInForce])
    quantity = _number("Quantity", required=True)
    price = _number("Price", required=False)
    trigger_price = _number("Trigger price", required=False)
    idempotency_key = forms.RegexField(r"^[0-9a-f]{32}$", required=False)

    def clean(self) -> dict[str, Any]:
        """Ask for the prices that the order type needs and forget the others."""
        values = super().clean() or {}
        order_type = values.get("order_type")
        for field, types in (
            ("price", {OrderType.LIMIT, OrderType.SL}),
            ("trigger_price", {OrderType.SL, OrderType.SL_M}),
        ):
            if order_type not in types:
                # The page hides this field: what was left in it must not stand in the way.
                values[field] = None
                self.errors.pop(field, None)
            elif values.get(field) is None and field not in self.errors:
                label = self.fields[field].label
                self.add_error(field, f"{label} is needed for a {order_type} order.")
        return values


class OrderChangeForm(forms.Form):
    """New terms of an open order; an empty field stays as it is."""

    quantity = _number("Quantity", required=False)
    price = _number("Price", required=False)
    trigger_price = _number("Trigger price", required=False)

    def changes(
        self, *, quantity: Decimal, price: Decimal | None, trigger: Decimal | None
    ) -> OrderChange:
        """Return what differs from the order's present terms; None where nothing does."""
        return OrderChange(
            quantity=self._changed("quantity", quantity),
            price=self._changed("price", price),
            trigger_price=self._changed("trigger_price", trigger),
        )

    def _changed(self, field: str, present: Decimal | None) -> Decimal | None:
        value: Decimal | None = self.cleaned_data[field]
        return None if present is None or value == present else value
