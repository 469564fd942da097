"""Answers packed with gzip for clients that ask for it, and files that are packed once.

The work is done in the thread of the view, not in a middleware: those run on the event loop, which
also has the beats of every ticker to send. Console pages hold the form tokens of cookies and stay
as they are (BREACH); an answer of the API is read by nobody who has not sent its token himself, and
views whose answers hold secrets say so (`ApiView.holds_secrets`).
"""

import gzip
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from rest_framework.request import Request

# Smaller answers fit into one packet anyway.
LEAST_PACKED = 500
# A day of candles: 4 ms and a fifth of its size; the usual 6 takes three times as long for a sixth.
_QUICK = 1
_THOROUGH = 9
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(0(?:\.\d*)?|1(?:\.0*)?)\s*)?(?=,|$)", re.IGNORECASE)


def takes_gzip(request: Request | HttpRequest) -> bool:
    """Say whether the client takes gzip; with `q=0` it says that it does not."""
    found = _GZIP.search(request.headers.get("Accept-Encoding", ""))
    return found is not None and (found[1] is None or float(found[1]) > 0)


def pack(request: Request | HttpRequest, response: HttpResponseBase) -> None:
    """Pack an answer where that pays and the client takes it."""
    if not isinstance(response, HttpResponse) or response.has_header("Content-Encoding"):
        return
    content = response.content
    if len(content) < LEAST_PACKED:
        return
    patch_vary_headers(response, ["Accept-Encoding"])
    if not takes_gzip(request):
        return
    response.content = gzip.compress(content, _QUICK, mtime=0)
    response["Content-Encoding"] = "gzip"
    response["Content-Length"] = str(len(response.content))
    # Other bytes than those that the tag was made for.
    tag = response.get("ETag", "")
    if tag.startswith('"'):
        response["ETag"] = f"W/{tag}"


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file as it goes out, plain and packed, and the tag of its content."""

    content: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, text: str) -> "PackedFile":
        """Return a text as a file."""
        content = text.encode()
        packed = gzip.compress(content, _THOROUGH, mtime=0)
        return cls(content, packed, sha256(content).hexdigest()[:32])


def csv_response(request: Request, file: PackedFile) -> HttpResponse:
    """Answer with a CSV file, or with 304 to who has it already.

    The content type has no charset: Kite's JavaScript client would not read the rows.
    """
    is_packed = takes_gzip(request)
    # The two forms are different bytes, so they have different strong tags.
    tag = f'"{file.tag}-gzip"' if is_packed else f'"{file.tag}"'
    response = HttpResponse(file.packed if is_packed else file.content, content_type="text/csv")
    if is_packed:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = tag
    response["Vary"] = "Accept-Encoding"
    # May be kept, but is asked for again before each use.
    response["Cache-Control"] = "private, no-cache"
    sent = request._request  # noqa: SLF001 - DRF's own name of Django's request
    return cast("HttpResponse", get_conditional_response(sent, etag=tag, response=response))
