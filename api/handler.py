"""How requests of programs are served: each in one thread from its first byte to its last.

The console's chain of middlewares (cookies, sessions, forms, messages) has nothing to say to a
program, and Django's asynchronous handler passes each request through four threads, of which every
one makes a database connection of its own. Here a fixed number of threads keep theirs.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.module_loading import import_string

# In the order of settings.MIDDLEWARE, which tests hold this against.
MIDDLEWARE = (
    "finbyte_site.headers.HeadersMiddleware",
    "api.middleware.ApiEnvelopeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "finbyte_site.middleware.RequestLimitsMiddleware",
    "finbyte_site.middleware.StorableTextMiddleware",
    "django.middleware.common.CommonMiddleware",
)
# More would only wait for each other: Python runs one at a time, the others talk to PostgreSQL.
THREADS = 6


class ApiHandler(ASGIHandler):
    """The ASGI application of the API's addresses."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api")

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001,FBT002 - Django's
        """Build the chain, all of it synchronous."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        view: Any = self._get_response  # type: ignore[attr-defined]  # the stubs leave it out
        chain: Any = convert_exception_to_response(view)
        for name in reversed(MIDDLEWARE):
            middleware = import_string(name)(chain)
            if hasattr(middleware, "process_exception"):
                self._exception_middleware.append(middleware.process_exception)
            chain = convert_exception_to_response(middleware)
        self._middleware_chain = chain

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request. What a program has asked for is done, also when it hangs up."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._threads, self._answer, scope, body)
        await self.send_response(response, send)

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refused = self.create_request(scope, body)
        answered = refused if request is None else self.get_response(request)
        response = cast("HttpResponseBase", answered)
        # Gives the thread's connection back to the pool.
        response.close()
        body.close()
        return response
