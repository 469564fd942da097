"""What the middlewares share that work for threads and for coroutines alike."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class Door:
    """A middleware that looks at a request before its view, and at the answer after it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        """Answer the request, with a refusal where one is due."""
        if self.is_async:
            return self._answer_later(request)
        refused = self.refusal(request)
        return self.finished(
            request, refused or cast("HttpResponseBase", self.get_response(request))
        )

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        refused = self.refusal(request)
        answer = refused or await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        return self.finished(request, answer)

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return what is answered in place of the view; None lets the request through."""
        return None

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Return the answer as it leaves."""
        return response
