"""Sessions last as long as their user does something (decisions 48); device cookies come and go."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone

from accounts.domain.roles import SecondFactorRule
from accounts.models import User
from accounts.page_parts import is_part, lead_browser
from accounts.services.devices import DeviceCookie
from accounts.services.sessions import stamp_of, write_stamp
from accounts.session_store import SessionStore


class SessionRulesMiddleware:
    """Note human input in the session, at most once a minute; end what its rule has ended."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let the request through, noted. A part of a page is not filled with the log-in page."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            _follow_rules(request, now=timezone.now())
        response = self.get_response(request)
        is_to_log_in = response.get("Location", "").startswith(resolve_url(settings.LOGIN_URL))
        if not is_to_log_in or not is_part(request):
            return response
        answer = to_log_in(request)
        # The reason travels in a cookie of the answer that is not given.
        answer.cookies.update(response.cookies)
        return answer

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        """Say on the next page why a session has ended by itself."""
        reason = cast("SessionStore", request.session).ended_because
        if reason:
            messages.info(request, reason)


def to_log_in(request: HttpRequest) -> HttpResponseBase:
    """Lead to the log-in page, and from there back to the page that is open in the browser."""
    return lead_browser(request, redirect_to_login(_page_open(request))["Location"])


def _page_open(request: HttpRequest) -> str:
    if not is_part(request):
        return request.get_full_path() if request.method in {"GET", "HEAD"} else "/console/"
    try:
        page = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return "/console/"
    return f"{page.path}?{page.query}" if page.query else page.path or "/console/"


def _follow_rules(request: HttpRequest, *, now: datetime) -> None:
    stamp = stamp_of(request)
    if stamp is None or not isinstance(request.user, User):
        return
    rule = SecondFactorRule(request.user.second_factor_rule)
    followed = stamp if stamp.rule is rule else stamp.follows(rule)
    if followed.ends_at() <= now:
        logout(request)
        cast("SessionStore", request.session).ended_because = followed.why_it_ends()
        return
    if _is_human(request) and followed.is_due(now):
        followed = followed.touched(now)
    if followed != stamp:
        write_stamp(request, followed)


def _is_human(request: HttpRequest) -> bool:
    """Say whether somebody is there: what a page fetches by itself does not count."""
    if request.method not in {"GET", "HEAD"}:
        return True
    return not is_part(request) and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


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
