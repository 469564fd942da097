"""Sending to addresses that users have named, and reaching nothing but the public internet.

The name is resolved once; every address it has must be public, and the connection goes to one of
them while TLS still verifies the name. No redirects, no proxies, no credentials, port 443 only.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import httpx

from accounts.domain.public_addresses import is_public
from accounts.domain.redirect_urls import UrlRefused, normal_postback
from portfolio.services.postbacks import Answer

PATIENCE = 3.0
PORT = 443
# Looking up is done in threads: a name server that never answers holds up one of these, no more.
_LOOKERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="postback-lookup")
_NOT_TAKEN = (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError)

Lookup = Callable[[str], Awaitable[list[str]]]


class NotPublic(Exception):
    """The name has no address, or one that is not public."""


async def look_up(host: str) -> list[str]:
    """Return the addresses of a name, as this machine's resolver knows them."""
    found = await asyncio.get_running_loop().run_in_executor(
        _LOOKERS, lambda: socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    )
    return [str(each[4][0]) for each in found]


class PublicAddresses:
    """Finds where a registered address leads; refuses what is not public."""

    def __init__(self, *, lookup: Lookup = look_up, port: int = PORT) -> None:
        """Take the resolver and, in tests, another port."""
        self._lookup, self._port = lookup, port

    async def find(self, host: str) -> tuple[str, int]:
        """Return the address and port to connect to. Raises `NotPublic`."""
        addresses = await self._lookup(host)
        if not addresses:
            raise NotPublic("the name has no address")
        if not all(self.is_allowed(each) for each in addresses):
            raise NotPublic("the address is not public")
        return min(addresses, key=lambda each: ":" in each), self._port

    def is_allowed(self, address: str) -> bool:
        """Say whether a connection may go there."""
        return is_public(address)


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to the address that was judged, and to no other; TLS goes by the name."""

    def __init__(self, addresses: PublicAddresses, *, verify: ssl.SSLContext) -> None:
        """Prepare; a connection is used for one request."""
        self._addresses = addresses
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the address that its host has now; the Host header stays."""
        host = request.url.host
        address, port = await self._addresses.find(host)
        request.url = request.url.copy_with(host=address, port=port)
        request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


class PostbackClient:
    """Posts notices and says what came of them."""

    def __init__(
        self,
        *,
        addresses: PublicAddresses | None = None,
        verify: ssl.SSLContext | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Post to public addresses; tests hand over where theirs are and whom to trust there."""
        self._addresses = addresses or PublicAddresses()
        self._verify = verify or _usual_trust()
        self._patience = patience

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> Answer:
        """Post a body; whoever answers 2xx within the time has taken it. Nothing else is read."""
        try:
            async with asyncio.timeout(self._patience):
                status = await self._status_of(normal_postback(url), body, headers=headers)
        except TimeoutError:
            return Answer(
                is_taken=False, is_away=True, words=f"no answer within {self._patience:g} s"
            )
        except (UrlRefused, NotPublic):
            return Answer(is_taken=False, is_away=True, words="not a public https address")
        except _NOT_TAKEN as error:
            return Answer(is_taken=False, is_away=True, words=_words_of(error))
        return Answer(is_taken=200 <= status < 300, is_away=False, words=f"answered {status}")

    async def _status_of(self, url: str, body: bytes, *, headers: Mapping[str, str]) -> int:
        transport = PinnedTransport(self._addresses, verify=self._verify)
        async with (
            httpx.AsyncClient(
                transport=transport, trust_env=False, timeout=self._patience
            ) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as response,
        ):
            return response.status_code


@cache
def _usual_trust() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _words_of(error: Exception) -> str:
    """Say what went wrong in words that tell nothing of our own network."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not valid for this name"
        if isinstance(cause, socket.gaierror):
            return "the name has no address"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
