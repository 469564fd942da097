"""Where a log-in may return to: one registered address per app, judged once and kept as text.

What is accepted is spelled in one way only. Everything that two readers of addresses might read
differently is refused, because a browser reads it last.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

LONGEST = 500
LONGEST_PARAMETERS = 1000
MOST_PARAMETERS = 20
# What we say ourselves in the query; nobody else can say it for us.
OUR_NAMES = frozenset({"request_token", "action", "status", "type"})
STATE = "state"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PRINTABLE = re.compile(r"[!-~]+")
# Characters that browsers, servers and libraries do not agree on.
_DOUBTFUL = re.compile(
    r"[\\\"<>^`{|}*]|%(?![0-9A-Fa-f]{2})|%(?:0[0-9A-Fa-f]|1[0-9A-Fa-f]|5[Cc]|7[Ff])"
)
_PORTS = range(1, 65536)


class UrlRefused(ValueError):
    """The address cannot be registered; the words say what to change."""


def normal_redirect(text: str, *, may_be_loopback: bool) -> str:
    """Return the address in its one spelling.

    https anywhere; http only on this machine and only where `may_be_loopback`.
    """
    parts = _parts_of(text)
    if parts.scheme == "http" and not (may_be_loopback and is_loopback(parts)):
        raise UrlRefused(
            "Use https://. Plain http:// works only for 127.0.0.1, localhost and [::1], and only "
            "without a live account."
        )
    taken = (OUR_NAMES | {STATE}) & _names_in(parts.query)
    if taken:
        raise UrlRefused(f"The parameter {min(taken)} is ours: leave it out of the address.")
    return parts.geturl()


def normal_postback(text: str) -> str:
    """Return the address for notices: https to a public host name, on the usual port."""
    parts = _parts_of(text)
    if parts.scheme != "https":
        raise UrlRefused("Use https://: notices never travel unencrypted.")
    host = _host_of(parts)
    if is_loopback(parts) or _is_number(host) or "." not in host:
        raise UrlRefused("Use a public host name, like bots.example.com.")
    if parts.port not in {None, 443}:
        raise UrlRefused("Use port 443, the usual one.")
    return parts.geturl()


def is_loopback(parts: SplitResult) -> bool:
    """Say whether the address stays on the machine of whoever opens it."""
    return _host_of(parts) in _LOOPBACK


def origin_of(url: str) -> str:
    """Return scheme, host and port of a registered address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def form_target(url: str) -> str:
    """Return what a page's form-action has to name for a form to end at this address.

    An IPv6 address cannot be named there: its scheme has to do.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}:" if parts.netloc.startswith("[") else origin_of(url)


def with_parameters(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return a registered address with more parameters; those it has stay, and stay first."""
    parts = urlsplit(url)
    query = "&".join(each for each in (parts.query, urlencode(pairs)) if each)
    return parts._replace(query=query).geturl()


def echoed(redirect_params: str, *, state: str = "", url: str) -> list[tuple[str, str]]:
    """Return what a log-in hands back to the app unread, without what is ours or the address's.

    Raises UrlRefused where there is too much of it.
    """
    if len(redirect_params) + len(state) > LONGEST_PARAMETERS:
        raise UrlRefused(f"The parameters are longer than {LONGEST_PARAMETERS} characters.")
    try:
        pairs = parse_qsl(redirect_params, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise UrlRefused(f"redirect_params has more than {MOST_PARAMETERS} parameters.") from error
    taken = OUR_NAMES | _names_in(urlsplit(url).query)
    own = [(STATE, state)] if state else []
    if own:
        taken |= {STATE}
    return [(name, value) for name, value in pairs if name not in taken] + own


def _names_in(query: str) -> frozenset[str]:
    return frozenset(name for name, _ in parse_qsl(query, keep_blank_values=True))


def _parts_of(text: str) -> SplitResult:
    """Take an absolute address apart, strictly; the parts come back in lower case."""
    if len(text) > LONGEST:
        raise UrlRefused(f"The address is longer than {LONGEST} characters.")
    if not _PRINTABLE.fullmatch(text):
        raise UrlRefused("Use plain letters, digits and signs only: no space, no other script.")
    if _DOUBTFUL.search(text):
        raise UrlRefused("The address has a character that browsers do not agree on.")
    if "#" in text:
        raise UrlRefused("Leave out the part from # on.")
    scheme, separator, rest = text.partition("://")
    if scheme.lower() not in {"https", "http"} or not separator:
        raise UrlRefused("Write the whole address, beginning with https://.")
    try:
        parts = urlsplit(f"{scheme.lower()}://{rest}")
        return _checked(parts)
    except UrlRefused:
        raise
    except ValueError as error:
        raise UrlRefused("The address cannot be read.") from error


def _checked(parts: SplitResult) -> SplitResult:
    if "@" in parts.netloc:
        raise UrlRefused("Leave out user name and password.")
    host, port = _host_of(parts), _port_of(parts)
    path = f"{parts.path}/".replace("%2E", ".").replace("%2e", ".")
    if "/../" in path or "/./" in path or "//" in parts.path:
        raise UrlRefused("Leave dots and empty parts out of the path.")
    return parts._replace(netloc=f"{host}{port}", path=parts.path or "/")


def _host_of(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if parts.netloc.startswith("["):
        return f"[{IPv6Address(host)}]" if "%" not in host else _no_host()
    if not _NAME.fullmatch(host) or len(host) > 253:
        return _no_host()
    last = host.rpartition(".")[2]
    # Browsers read 2130706433, 0x7f.1 and 127.1 as numbers; only the full form is unmistakable.
    if last.isdigit() or last.startswith("0x"):
        return str(IPv4Address(host))
    return host


def _no_host() -> str:
    raise UrlRefused("The address has no host name that everybody reads alike.")


def _port_of(parts: SplitResult) -> str:
    host, bracket, rest = parts.netloc.rpartition("]")
    before, colon, digits = rest.partition(":")
    if bracket and (before or not host.startswith("[")):
        return _no_host()
    if not colon:
        return ""
    if not re.fullmatch(r"[1-9][0-9]{0,4}", digits) or int(digits) not in _PORTS:
        raise UrlRefused("The port is a number from 1 to 65535.")
    usual = {"https": "443", "http": "80"}[parts.scheme]
    return "" if digits == usual else f":{digits}"


def _is_number(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
