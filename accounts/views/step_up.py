"""Acts that ask for the second factor again."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from accounts.domain.session_rules import SessionStamp
from accounts.domain.step_up import Strength, is_fresh
from accounts.page_parts import lead_browser
from accounts.selectors import has_second_factor
from accounts.services.sessions import stamp_of
from accounts.views.acts import own_user

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requires_factor(
    strength: Strength = Strength.FRESH_FACTOR, *, enrolled: bool = False
) -> Callable[[View[P]], View[P]]:
    """Lead to the confirm page unless the second factor is fresh enough for the view.

    Without an enrolled factor a fresh password stands in, unless `enrolled` demands one: then the
    way leads to the enrolment. A form that was sent is not replayed: its page comes back first.
    """

    def decorator(view: View[P]) -> View[P]:
        @wraps(view)
        def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            page = page_to_confirm(request, strength=strength, enrolled=enrolled)
            return view(request, *args, **kwargs) if page is None else lead_to(request, page)

        return cast("View[P]", login_required(inner))

    return decorator


def page_to_confirm(
    request: HttpRequest, *, strength: Strength, enrolled: bool = False
) -> str | None:
    """Return the name of the page that has to come first; None where nothing is missing."""
    stamp, now = stamp_of(request), timezone.now()
    if has_second_factor(own_user(request)):
        return None if _has_shown(stamp, strength, now=now) else "accounts:confirm"
    if enrolled:
        return "accounts:authenticator-add"
    is_enough = stamp is not None and (
        strength is Strength.SESSION_FACTOR or is_fresh(stamp.password_at, now=now)
    )
    return None if is_enough else "accounts:confirm"


def _has_shown(stamp: SessionStamp | None, strength: Strength, *, now: datetime) -> bool:
    if stamp is None:
        return False
    if strength is Strength.SESSION_FACTOR:
        return stamp.factor_at is not None or stamp.device_id is not None
    return is_fresh(stamp.factor_at, now=now)


def lead_to(request: HttpRequest, page: str) -> HttpResponseBase:
    """Send the browser to a page that comes first, and back afterwards."""
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else _page_before(request)
    address = f"{reverse(page)}?{urlencode({'next': back})}"
    return lead_browser(request, address)


def _page_before(request: HttpRequest) -> str:
    """Return the path of the page that sent a form; whatever it says, it stays on this site."""
    referer = request.headers.get("Referer", "")
    root = f"{request.scheme}://{request.get_host()}"
    return referer.removeprefix(root) if referer.startswith(f"{root}/") else "/console/"
