"""The OpenAPI file: only addresses of the API, how to be let in, what all answers share."""

import re
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from api.paths import is_api_path

_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key again gives the same answer, and nothing happens twice.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,64}$"},
}
_WRITES = ("post", "put", "delete")
# Posted to, and nothing is kept: opening a session has its own rules, calculators only count.
KEYLESS = ("/session/", "/margins/", "/charges/")


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


def only_the_api(endpoints: list[Any]) -> list[Any]:
    """Leave out whatever else of the site is made with the same library."""
    return [endpoint for endpoint in endpoints if is_api_path(endpoint[0])]


def finished(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Add to every write the key that makes it happen once."""
    for path, operations in result["paths"].items():
        for method in _WRITES:
            if method in operations and not path.startswith(KEYLESS):
                operations[method].setdefault("parameters", []).append(_KEY)
    return result
