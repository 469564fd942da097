"""Whatever happens under the API's addresses, the answer is an envelope (kite-api.md rule 3)."""

import logging

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase

from api.door import Door
from api.errors import error_response, status_response, wire_error
from api.paths import is_api_path

logger = logging.getLogger(__name__)

# Django turns these into a status, and `finished` turns the status into words.
_DJANGO_ANSWERS = (
    Http404,
    PermissionDenied,
    SuspiciousOperation,
    BadRequest,
    MultiPartParserError,
)
_NOT_MODIFIED = 304
_OWN_TYPES = ("application/json", "text/csv")


class ApiEnvelopeMiddleware(Door):
    """Turn what Django answers under the API's prefixes (HTML, redirects) into envelopes.

    It stands first, so that refusals of every other middleware pass through it.
    """

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Put the answer into an envelope where one is due."""
        status = response.status_code
        if status < 300 or status == _NOT_MODIFIED or not is_api_path(request.path):
            return response
        if response.get("Content-Type", "").split(";")[0] in _OWN_TYPES:
            return response
        # The page is dropped unclosed: closing it would end the request a first time.
        return status_response(status)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer an error of ours by the table; leave 404 and the like to Django."""
        if not is_api_path(request.path) or isinstance(exception, _DJANGO_ANSWERS):
            return None
        if wire_error(exception).status >= 500:
            logger.error("api_error path=%s", request.path, exc_info=exception)
        return error_response(exception)
