"""How often a page that takes passwords, codes or addresses may be sent."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from accounts.services.places import place_network

logger = logging.getLogger(__name__)

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many posts in so long, like `10/m`, per `ip` (a network), `user` or `post:<field>`."""

    key: str
    rate: str


# No rate per account here: strangers could use it up for its owner (accounts.services.guesses).
LOG_IN_RATES = (Rate("ip", "20/m"),)
SIGN_UP_RATES = (Rate("ip", "30/h"),)
RESET_RATES = (Rate("ip", "20/h"), Rate("post:email", "5/h"))
SECOND_FACTOR_RATES = (Rate("ip", "60/m"),)
CONFIRM_RATES = (Rate("user", "20/m"),)
PASSWORD_RATES = (Rate("user", "20/h"),)


def limited(
    group: str, rates: tuple[Rate, ...]
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Answer a friendly 429 page when one of the rates of the page is used up."""

    def decorator(
        view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            wait = _seconds_to_wait(request, group, rates)
            if wait:
                return too_many(request, seconds=wait)
            return view(request, *args, **kwargs)

        return inner

    return decorator


def too_many(request: HttpRequest, *, seconds: int) -> HttpResponseBase:
    """Answer 429 and say how long to wait."""
    response = render(request, "accounts/too_many.html", {"wait": in_words(seconds)}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def in_words(seconds: int) -> str:
    """Return a time to wait as people say it."""
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"


def _seconds_to_wait(request: HttpRequest, group: str, rates: tuple[Rate, ...]) -> int:
    if request.method != "POST":
        return 0
    try:
        # Every rate counts the post, also when another one is used up already.
        usages = [
            get_usage(
                request,
                group=f"accounts.{group}",
                key=_key_of(rate),
                rate=rate.rate,
                increment=True,
            )
            for rate in rates
        ]
    except RedisError:
        # Guesses of passwords and codes are counted in PostgreSQL: nobody is locked out with Redis.
        logger.warning("rates not counted, no Redis group=%s", group)
        return 0
    return max(
        (max(1, usage["time_left"]) for usage in usages if usage and usage["should_limit"]),
        default=0,
    )


def _key_of(rate: Rate) -> Callable[[str, HttpRequest], str]:
    if rate.key == "ip":
        return lambda _group, request: place_network(request) or "unknown"
    if rate.key == "user":
        return lambda _group, request: str(request.user.pk)
    kind, _, field = rate.key.partition(":")
    assert kind == "post"  # noqa: S101 - a constant of ours
    return lambda _group, request: request.POST.get(field, "").strip().lower()
