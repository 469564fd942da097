"""Addresses that are the API's and have no endpoint."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from api.errors import status_response
from api.views.base import ApiView


class NothingHere(ApiView):
    """Say so, to those who are logged in; everybody else is asked for a token first."""

    http_method_names = []

    def http_method_not_allowed(  # type: ignore[override]  # DRF's stubs know only how it raises
        self, _request: Request, *_args: Any, **_parts: Any
    ) -> HttpResponse:
        """Answer every method alike; DRF comes here after it has asked who calls."""
        return status_response(404)
