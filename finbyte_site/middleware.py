"""Text that no column can hold is refused at the door, once for every address and field."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import BadRequest
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase


class StorableTextMiddleware:
    """Answer 400 where the address, a field or a cookie has text that PostgreSQL cannot store."""

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Refuse, or let the request through as it is."""
        if self.is_async:
            return self._answer_later(request)
        _refuse_unstorable(request)
        return self.get_response(request)

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        _refuse_unstorable(request)
        return await cast("Awaitable[HttpResponseBase]", self.get_response(request))


def _refuse_unstorable(request: HttpRequest) -> None:
    if not all(_is_storable(text) for text in _texts_of(request)):
        raise BadRequest("text with characters that cannot be stored")


def _texts_of(request: HttpRequest) -> Iterator[str]:
    yield request.path
    yield from request.COOKIES.values()
    yield from _fields_of(request.GET)
    yield from _fields_of(request.POST)


def _fields_of(fields: QueryDict) -> Iterator[str]:
    for name, values in fields.lists():
        yield name
        yield from cast("Iterable[str]", values)


def _is_storable(text: str) -> bool:
    """Say whether PostgreSQL takes the text: no NUL, no half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
