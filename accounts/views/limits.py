"""How often a page that takes passwords or addresses may be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django_ratelimit.core import get_usage

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Rate:
    """So many posts in so long, like `10/m`, per `ip` or per `post:<field>`."""

    key: str
    rate: str


LOG_IN_RATES = (Rate("ip", "20/m"), Rate("post:username", "10/m"))
SIGN_UP_RATES = (Rate("ip", "30/h"),)
RESET_RATES = (Rate("ip", "20/h"), Rate("post:email", "5/h"))


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
                return _too_many(request, wait)
            return view(request, *args, **kwargs)

        return inner

    return decorator


def _seconds_to_wait(request: HttpRequest, group: str, rates: tuple[Rate, ...]) -> int:
    if request.method != "POST":
        return 0
    # Every rate counts the post, also when another one is used up already.
    usages = [
        get_usage(
            request, group=f"accounts.{group}", key=_key_of(rate), rate=rate.rate, increment=True
        )
        for rate in rates
    ]
    return max(
        (max(1, usage["time_left"]) for usage in usages if usage and usage["should_limit"]),
        default=0,
    )


def _key_of(rate: Rate) -> str | Callable[[str, HttpRequest], str]:
    if rate.key == "ip":
        return "ip"
    field = rate.key.removeprefix("post:")
    return lambda group, request: request.POST.get(field, "").strip().lower()


def _too_many(request: HttpRequest, wait: int) -> HttpResponseBase:
    minutes = -(-wait // 60)
    response = render(request, "accounts/too_many.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(wait)
    return response
