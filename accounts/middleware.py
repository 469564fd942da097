"""Sessions last as long as their user does something (decisions 48)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.services.devices import DeviceCookie
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


class DeviceCookieMiddleware:
    """Give the browser the cookie that a log-in has left for it, or take a useless one away."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the request through; whatever the answer, the new cookie goes with it.

        The old value is void by then: a browser that kept it would look like a thief.
        """
        response = self.get_response(request)
        cookie: DeviceCookie | None = getattr(request, "device_cookie", None)
        if cookie is None:
            return response
        if not cookie.value:
            response.delete_cookie(settings.DEVICE_COOKIE_NAME, samesite="Lax")
            return response
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            cookie.value,
            expires=cookie.expires_at,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response
