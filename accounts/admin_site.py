"""The admin's door: a second factor shown for it, and a session of its own of 15 minutes."""

from collections.abc import Callable
from dataclasses import replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.domain.session_rules import SessionStamp
from accounts.domain.step_up import Strength
from accounts.services.sessions import stamp_of, write_stamp
from accounts.views.step_up import lead_to, page_to_confirm

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as _Site
else:
    from unfold.sites import UnfoldAdminSite as _Site

View = Callable[..., HttpResponseBase]


class StaffSite(_Site):
    """The admin; each of its pages, whoever registers it, passes `admin_view`."""

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the colours to static/css/admin.css: our policy allows no style in a page."""
        return {**super().each_context(request), "colors": None}

    def admin_view(self, view: View, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """Ask for a role first, then for the second factor, then show the page."""
        return super().admin_view(_within_admin_session(view), cacheable)


def _within_admin_session(view: View) -> View:
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        stamp = stamp_of(request)
        page = _page_to_enter(request, stamp)
        if page is not None or stamp is None:
            return lead_to(request, page or "accounts:confirm")
        write_stamp(request, replace(stamp, admin_seen_at=timezone.now()))
        return view(request, *args, **kwargs)

    return update_wrapper(inner, view)


def _page_to_enter(request: HttpRequest, stamp: SessionStamp | None) -> str | None:
    """Return where staff have to go first; None while their admin session lasts.

    It opens with a second factor of the last five minutes; a trusted device never opens it.
    """
    if stamp is not None and stamp.is_in_admin(timezone.now()):
        return None
    return page_to_confirm(request, strength=Strength.FRESH_FACTOR, enrolled=True)
