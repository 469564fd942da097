"""Whose pages a request shows: `request.subject`; looking at somebody else's changes nothing."""

import json
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.page_parts import is_part, lead_browser
from accounts.services import viewing

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# One's own account pages stay one's own; these two change only how the session shows things.
_OWN = "account/"
_HARMLESS = ("theme-set", "account-switch")
_LAPSED = "You can no longer look at that account. These are your own pages again."
_REFUSED = "You are looking at somebody else's account: you can look, not act. Nothing was changed."


class ViewingMiddleware:
    """Stands after the session, the user and the messages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name the subject; answer by itself what may not go on."""
        request.subject = request.user  # type: ignore[attr-defined]
        request.viewing = None  # type: ignore[attr-defined]
        root = reverse("home")
        if request.path.startswith(root) and viewing.is_kept(request.session):
            return self._look(request, is_own=request.path.startswith(root + _OWN))
        return self.get_response(request)

    def _look(self, request: HttpRequest, *, is_own: bool) -> HttpResponseBase:
        user = request.user
        view = (
            viewing.view_of(request.session, user, now=timezone.now())
            if isinstance(user, User) or user.is_authenticated
            else None
        )
        if view is None:
            return self._lapse(request, is_own=is_own)
        request.viewing = view  # type: ignore[attr-defined]
        if is_own:
            return self.get_response(request)
        request.subject = view.subject  # type: ignore[attr-defined]
        if request.method in _SAFE or request.path in map(reverse, _HARMLESS):
            return self.get_response(request)
        return _refuse(request, _REFUSED)

    def _lapse(self, request: HttpRequest, *, is_own: bool) -> HttpResponseBase:
        """Go back to the user's own pages; what was clicked on the other's is not done to them."""
        viewing.forget(request.session)
        if is_own:
            return self.get_response(request)
        if request.method not in _SAFE:
            return _refuse(request, f"{_LAPSED} Nothing was changed.")
        messages.info(request, _LAPSED)
        return lead_browser(request, reverse("home"))


def _refuse(request: HttpRequest, words: str) -> HttpResponse:
    if is_part(request):
        response = HttpResponse(words, status=403, content_type="text/plain")
        response["HX-Reswap"] = "none"
        response["HX-Trigger"] = json.dumps({"fb:toast": {"message": words, "tone": "error"}})
        return response
    return render(request, "accounts/viewers_refused.html", {"words": words}, status=403)
