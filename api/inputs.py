"""Reading what a request sends: forms, queries and lists of rows, refused in our words.

An empty value is an absent one (kite-api.md rule 10). Addresses of Kite ignore fields they do not
know; our own (`StrictForm`) refuse them.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request

from accounts.exceptions import InvalidInput

MOST_ROWS = 500


class StrictForm(serializers.Serializer[Any]):
    """Fields of an address of our own: one that it does not know is refused."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what no field takes."""
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            known = ", ".join(self.fields) or "none"
            message = f"Unknown field `{unknown[0]}`. Known: {known}."
            raise InvalidInput(message, field=unknown[0], code="unknown")
        return super().to_internal_value(data)


def read_form(request: Request, form: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the checked fields of a body. Raises `InvalidInput` naming the field."""
    return _checked(_present(request.data), form)


def read_query(request: Request, form: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the checked fields of the query. Raises `InvalidInput` naming the field."""
    return _checked(_present(request.query_params), form)


def read_rows(request: Request, form: type[serializers.Serializer[Any]]) -> list[dict[str, Any]]:
    """Return the checked rows of a JSON list. Raises `InvalidInput` naming row and field.

    The body is read whatever content type it names, and its numbers are exact decimals.
    """
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("`body` is not UTF-8.", field="body", code="not_json") from None
    rows = read_json(text, name="body")
    if not isinstance(rows, list):
        raise InvalidInput("Send a JSON list of rows.", field="body", code="not_a_list")
    return checked_rows(rows, form, name="body")


def read_json(text: str, *, name: str) -> Any:
    """Return what the JSON in a form's field says, fractions as decimals."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidInput(f"`{name}` is not JSON.", field=name, code="not_json") from error


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def checked_rows(
    rows: Iterable[Any], form: type[serializers.Serializer[Any]], *, name: str
) -> list[dict[str, Any]]:
    """Return checked rows of a list that came inside a body or field called `name`."""
    listed = list(rows)
    if not 0 < len(listed) <= MOST_ROWS:
        message = f"`{name}` must have 1 to {MOST_ROWS} rows; it has {len(listed)}."
        raise InvalidInput(message, field=name, code="rows")
    return [checked_row(row, form, name=f"{name}[{index}]") for index, row in enumerate(listed)]


def checked_row(row: Any, form: type[serializers.Serializer[Any]], *, name: str) -> dict[str, Any]:
    """Return the checked fields of an object that came inside a body or field called `name`."""
    if not isinstance(row, Mapping):
        raise InvalidInput(f"`{name}` must be an object.", field=name, code="not_an_object")
    # Compared one by one: a value may be a list, which no set takes.
    present = {key: value for key, value in row.items() if value is not None and value != ""}
    return _checked(present, form, prefix=f"{name}.")


def _present(sent: Any) -> dict[str, Any]:
    """Return the fields that are there; of one sent twice the last counts, as Django has it."""
    # A request without a body has no kind either.
    if not sent:
        return {}
    if not isinstance(sent, QueryDict):
        raise InvalidInput("Send the fields as a form.", field="body", code="not_a_form")
    return {key: value for key, value in sent.items() if value != ""}


def _checked(
    present: Mapping[str, Any], form: type[serializers.Serializer[Any]], *, prefix: str = ""
) -> dict[str, Any]:
    try:
        checked: dict[str, Any] = _kept(form).run_validation(present)
    except serializers.ValidationError as error:
        raise _refusal(error.detail, prefix=prefix) from error
    return checked


@cache
def _kept(form: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return the form's one instance: it checks without a state, and costs 1 ms to make."""
    return form()


def _refusal(errors: Any, *, prefix: str) -> InvalidInput:
    """Name the first field that is wrong."""
    field, found = next(iter(errors.items()))
    while isinstance(found, Mapping):
        inner, found = next(iter(found.items()))
        field += f"[{inner}]" if isinstance(inner, int) else f".{inner}"
    error = found[0]
    name = f"{prefix}{field}" if field != "non_field_errors" else prefix.rstrip(".") or "body"
    code = str(getattr(error, "code", "invalid"))
    if code == "required":
        return InvalidInput(f"Missing or empty field `{name}`.", field=name, code=code)
    return InvalidInput(f"`{name}`: {error}", field=name, code=code)
