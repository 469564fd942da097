"""Sessions last as long as their user does something (decisions 48)."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.services.sessions import stamp_of, write_stamp


class SessionRulesMiddleware:
    """Note human input in the session, at most once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the request through, noted."""
        if _is_human(request):
            now = timezone.now()
            stamp = stamp_of(request)
            if stamp is not None and stamp.is_due(now):
                write_stamp(request, stamp.touched(now))
        return self.get_response(request)


def _is_human(request: HttpRequest) -> bool:
    """Say whether somebody is there: a page that refreshes its parts by itself does not count."""
    return request.method not in {"GET", "HEAD"} or "HX-Request" not in request.headers
