"""Requests of a page's scripts: they get a part of the page, never another page in its place."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect


def is_part(request: HttpRequest) -> bool:
    """Say whether a page's script asks, not somebody who goes to an address."""
    return "HX-Request" in request.headers


def lead_browser(request: HttpRequest, address: str) -> HttpResponseBase:
    """Send the browser to another page, from a part of one too."""
    if is_part(request):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)
