"""The one shape of every answer of the API (kite-api.md 1.1)."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse

_JSON = "application/json"


def success(data: Any) -> HttpResponse:
    """Return the answer that carries `data`; Decimals are refused, clients want JSON numbers."""
    return HttpResponse(orjson.dumps({"status": "success", "data": data}), content_type=_JSON)


def failure(
    status: int,
    error_type: str,
    message: str,
    *,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return a refusal. `error_type` decides which exception a client raises.

    The message may repeat what was sent: half of a pair of surrogates, which JSON can name and
    UTF-8 cannot write, becomes a question mark.
    """
    message = message.encode(errors="replace").decode()
    envelope = {"status": "error", "message": message, "error_type": error_type, "data": data}
    return HttpResponse(
        orjson.dumps(envelope), status=status, headers=dict(headers or {}), content_type=_JSON
    )
