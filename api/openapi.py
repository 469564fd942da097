"""The OpenAPI file: only addresses of the API, how to be let in, what all answers share."""

import re
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema

from api.inputs import MOST_ROWS
from api.paths import is_api_path

_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again gives the same answer, and nothing happens twice.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,64}$"},
}
_WAIT: dict[str, Any] = {
    "description": "Whole seconds to wait before the next try",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_TAG: dict[str, Any] = {
    "description": "Send it back in If-None-Match: an unchanged file is not sent again",
    "required": True,
    "schema": {"type": "string"},
}
_WRITES = ("post", "put", "delete")
# Posted to, and nothing is kept: opening a session has its own rules, calculators and previews only count.
KEYLESS = ("/session/", "/margins/", "/charges/", "/bots/preview")


class ApiSchema(AutoSchema):
    """One endpoint in the file."""

    def get_operation_id(self) -> str:
        """Return the method and the address: both stay, whatever the view is called."""
        words = re.findall(r"\w+", self.path)
        return "_".join([self.method.lower(), *words])


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: token api_key:access_token`."""

    target_class = "api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return how the header is written."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`token api_key:access_token`",
        }


class PlainNumberSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """A number in a form: a text, in plain decimals; an empty one is absent."""

    target_class = "api.fields.PlainNumber"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Return how the text is written; no price and no quantity is below zero."""
        least = self.target.min_value
        sign = "-?" if least is not None and least < 0 else ""
        text = rf"{sign}([0-9]{{1,16}}(\.[0-9]{{1,12}})?|\.[0-9]{{1,12}})"
        return {"type": "string", "pattern": f"^{text}$"}


class StrictFormSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A form that refuses fields which it does not know."""

    target_class = "api.inputs.StrictForm"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the form, closed."""
        schema: dict[str, Any] = auto_schema._map_serializer(  # noqa: SLF001 - the library's own way
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False}


def only_the_api(endpoints: list[Any]) -> list[Any]:
    """Leave out whatever else of the site is made with the same library."""
    return [endpoint for endpoint in endpoints if is_api_path(endpoint[0])]


def finished(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add what is the same everywhere: keys of writes, what an unknown address and headers are."""
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if method in _WRITES and not path.startswith(KEYLESS):
                operation.setdefault("parameters", []).append(_KEY)
            _limit_rows(operation)
            answers = operation["responses"]
            if "{" in path and "404" not in answers:
                answers["404"] = {**answers["403"], "description": "There is nothing here."}
            _add_headers(answers)
    return result


def _limit_rows(operation: dict[str, Any]) -> None:
    """Say how long a list may be: every body of JSON is one."""
    body = operation.get("requestBody", {"content": {}})["content"].get("application/json")
    if body is not None:
        body["schema"] |= {"minItems": 1, "maxItems": MOST_ROWS}


def _add_headers(answers: dict[str, Any]) -> None:
    for status in ("429", "503"):
        answers[status]["headers"] = {"Retry-After": _WAIT}
    for status in ("200", "304"):
        if "304" in answers:
            answers[status]["headers"] = {"ETag": _TAG}
