"""Error pages in the console's frame; a failing page needs neither database nor session."""

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from accounts.middleware import to_log_in


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Say that the request could not be read; what was wrong with it is not repeated.

    A session that was ended while its request ran is no fault of the request: log in again.
    """
    if isinstance(exception, SessionInterrupted):
        return to_log_in(request)
    return HttpResponse(render_to_string("400.html"), status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing here; strangers' things are not told apart from nothing."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that something broke here, from a page that depends on nothing."""
    return HttpResponse(render_to_string("500.html"), status=500)
