"""Error pages in the console's frame; a failing page needs neither database nor session."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the request could not be read; what was wrong with it is not repeated."""
    return HttpResponse(render_to_string("400.html"), status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing here; strangers' things are not told apart from nothing."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that something broke here, from a page that depends on nothing."""
    return HttpResponse(render_to_string("500.html"), status=500)
