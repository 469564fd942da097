"""The one shape of every answer of the API (kite-api.md 1.1)."""

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse


def success(data: Any) -> JsonResponse:
    """Return the answer that carries `data`."""
    return JsonResponse({"status": "success", "data": data})


def failure(
    status: int,
    error_type: str,
    message: str,
    *,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """Return a refusal. `error_type` decides which exception a client raises."""
    return JsonResponse(
        {"status": "error", "message": message, "error_type": error_type, "data": data},
        status=status,
        headers=dict(headers or {}),
    )
