"""Requests that are refused at the door, once for every address, field and view."""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import cast

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase

from api.door import Door

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Addresses where a browser's cookies mean something.
COOKIE_PREFIXES = ("/console/", "/admin/", "/connect/")
OWN_SITES = frozenset({"same-origin", "none"})
DEEPEST_JSON = 20
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_JSON_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class StorableTextMiddleware(Door):
    """Answer 400 where the address, a field or a cookie has text that PostgreSQL cannot store."""

    def refusal(self, request: HttpRequest) -> None:
        """Refuse, or let the request through as it is."""
        if not all(_is_storable(text) for text in _texts_of(request)):
            raise BadRequest("text with characters that cannot be stored")


class RequestLimitsMiddleware(Door):
    """Refuse bodies that are too large, packed or nested without end (trust.md 7, 17)."""

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Refuse by what the headers say; JSON is also looked at."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if _length_of(request) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if _is_json(request) and json_depth(request.body) > DEEPEST_JSON:
            raise BadRequest("JSON nested too deeply")
        return None


class SameSiteMiddleware(Door):
    """Refuse changes that another site's page asks for: a second net beside CSRF tokens."""

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Refuse by what the browser says of the page; programs say nothing and pass."""
        if request.method in SAFE_METHODS or not request.path.startswith(COOKIE_PREFIXES):
            return None
        if request.headers.get("Sec-Fetch-Site", "none") in OWN_SITES:
            return None
        return _plain(HTTPStatus.FORBIDDEN)


def json_depth(text: bytes) -> int:
    """Return how deep lists and objects are nested; the text need not be valid JSON."""
    deepest = depth = 0
    for sign in _JSON_TEXT.sub(b"", text):
        depth += _JSON_STEPS.get(sign, 0)
        deepest = max(deepest, depth)
    return deepest


def _plain(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(f"{status.phrase}\n", status=status, content_type="text/plain")


def _length_of(request: HttpRequest) -> int:
    length = request.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def _is_json(request: HttpRequest) -> bool:
    return (request.content_type or "").endswith("json")


def _texts_of(request: HttpRequest) -> Iterator[str]:
    yield request.path
    yield from request.COOKIES.values()
    yield from _fields_of(request.GET)
    yield from _fields_of(request.POST)


def _fields_of(fields: QueryDict) -> Iterator[str]:
    for name, values in fields.lists():
        yield name
        yield from cast("Iterable[str]", values)


def _is_storable(text: str) -> bool:
    """Say whether PostgreSQL takes the text: no NUL, no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
