"""Which private event was the newest when a page was drawn: its socket asks for what came since."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.page_parts import is_part
from market.streams import newest_event


class PageEventsMiddleware:
    """Stands after the one that says whose pages are shown.

    The number is read before the page's view reads anything: what happens while the page is on its
    way is told to it twice rather than never.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Note the number in `request.newest_event`; None where there is no page to tell."""
        request.newest_event = _newest_for(request)  # type: ignore[attr-defined]
        return self.get_response(request)


def _newest_for(request: HttpRequest) -> int | None:
    is_page = request.method == "GET" and request.path.startswith(reverse("home"))
    if not is_page or is_part(request) or not request.user.is_authenticated:
        return None
    view = request.viewing  # type: ignore[attr-defined]
    return newest_event(request.user.pk if view is None else view.subject.pk)
