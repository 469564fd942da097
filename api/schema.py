"""What the OpenAPI file says of an endpoint, declared beside the endpoint."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from drf_spectacular.utils import (
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers

Serializer = serializers.Serializer[Any]
Data = type[Serializer] | Serializer | serializers.Field[Any, Any, Any, Any]
Method = TypeVar("Method", bound=Callable[..., Any])

# Every endpoint can answer these: no valid token, too many requests, our fault, not reachable.
_ALWAYS = (403, 429, 500, 503)
_MEANING = {
    400: "Wrong input, or refused: the message and `data` say what and why.",
    403: "The token is missing, wrong or expired (TokenException), or the app may not do this.",
    404: "There is nothing of yours at this address.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "Something went wrong on our side.",
    502: "The venue cannot be reached, or its answer cannot be read.",
    503: "A part of the platform is away; `Retry-After` says when to come again.",
    504: "The venue has not answered in time; the order may be live.",
}


class Failure(serializers.Serializer[Any]):
    """The envelope of every refusal."""

    status = serializers.ChoiceField(["error"])
    message = serializers.CharField()
    error_type = serializers.ChoiceField(
        [
            "TokenException",
            "UserException",
            "PermissionException",
            "TwoFAException",
            "OrderException",
            "InputException",
            "MarginException",
            "HoldingException",
            "DataException",
            "NetworkException",
            "GeneralException",
        ]
    )
    data = serializers.DictField(  # type: ignore[assignment]  # the wire has this name
        child=serializers.CharField(allow_blank=True), allow_null=True
    )


def documented(
    summary: str,
    *,
    data: Data,
    form: type[Serializer] | None = None,
    rows: type[Serializer] | None = None,
    query: type[Serializer] | None = None,
    errors: Sequence[int] = (),
    tag: str,
    **extra: Any,
) -> Callable[[Method], Method]:
    """Describe one method of a view: what it takes, what `data` it answers, how it can fail.

    `form` is a body of form fields, `rows` one row of a JSON list; `errors` are the HTTP statuses
    beside those that every endpoint has.
    """
    request: Any = form if rows is None else rows(many=True)
    answers = {
        200: _success(data, summary),
        **{each: _failure(each) for each in sorted({*_ALWAYS, *errors})},
    }
    return extend_schema(
        summary=summary,
        request=request,
        parameters=[*extra.pop("parameters", ()), *([query] if query and query().fields else ())],
        responses=answers,
        tags=[tag],
        **extra,
    )


def documented_csv(
    summary: str, *, errors: Sequence[int] = (), tag: str, **extra: Any
) -> Callable[[Method], Method]:
    """Describe a method that answers with a CSV file under a strong tag."""
    answers: dict[Any, Any] = {
        (200, "text/csv"): OpenApiResponse(
            str, description="A header line and one line per row; no line end after the last."
        ),
        304: OpenApiResponse(description="You have this file: it carries the tag that you sent."),
        **{each: _failure(each) for each in sorted({*_ALWAYS, *errors})},
    }
    return extend_schema(summary=summary, request=None, responses=answers, tags=[tag], **extra)


def _success(data: Data, summary: str) -> Any:
    field = data() if isinstance(data, type) else data
    row = getattr(field, "child", field)
    # A map of rows is no list of them.
    if isinstance(field, serializers.DictField) or not isinstance(row, serializers.Serializer):
        return _envelope("".join(word.title() for word in re.findall(r"\w+", summary)), field)
    many = row is not field
    return _envelope_of(type(row), many=many)


@cache
def _envelope_of(row: type[Serializer], *, many: bool) -> Any:
    """Return the one envelope of a row: two of the same name would be two components."""
    return _envelope(f"{row.__name__}{'List' if many else ''}", row(many=many))


def _envelope(name: str, field: Any) -> Any:
    return inline_serializer(
        name=f"{name}Success",
        fields={"status": serializers.ChoiceField(["success"]), "data": field},
    )


def _failure(status: int) -> Any:
    return OpenApiResponse(Failure, description=_MEANING.get(status, ""))
