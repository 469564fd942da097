"""How often a program may ask: one log per api_key and budget in Redis, exact to the microsecond.

All processes share it, and it goes by Redis' own clock. Redis away: what places or changes orders
is refused, the rest goes on uncounted (decisions 35).
"""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import ApiSession
from api.budgets import Rate, Span, Window, windows_of
from api.exceptions import RateExceeded, RatesUnknown

logger = logging.getLogger(__name__)

# Every request waits for the answer: a Redis that does not answer at once is away.
_PATIENCE = 0.5
_MICROSECONDS = 1_000_000
# KEYS: the times of the newest requests, oldest first; how many there were today.
# ARGV: "1" counts a request, "0" only looks; then limit and span of each window, 0 for the day.
# Returns for each window how many are used (when looking) and for how long it is full.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local looks = ARGV[1] == '0'
-- The day begins at 06:00 in India, 00:30 in UTC.
local next_day = (math.floor((now / 1000000 - 1800) / 86400) + 1) * 86400 + 1800
local newest = redis.call('LINDEX', KEYS[1], -1)
-- After the clock was set back, the log would refuse until it is where it was.
if newest and newest - now > 1000000 then redis.call('DEL', KEYS[1]) end
local answer, is_free, most, longest, counts_day = {}, true, 0, 0, false
for i = 2, #ARGV, 2 do
  local limit, span, used, wait = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), 0, 0
  if span == 0 then
    counts_day = true
    used = tonumber(redis.call('GET', KEYS[2]) or 0)
    if used >= limit then wait = next_day * 1000000 - now end
  else
    most, longest = math.max(most, limit), math.max(longest, span)
    local full_since = redis.call('LINDEX', KEYS[1], -limit)
    if full_since then wait = math.max(0, full_since + span - now) end
    if looks then
      for _, at in ipairs(redis.call('LRANGE', KEYS[1], -limit, -1)) do
        if at + span > now then used = used + 1 end
      end
    end
  end
  if wait > 0 then is_free = false end
  answer[#answer + 1], answer[#answer + 2] = used, wait
end
if is_free and not looks then
  redis.call('RPUSH', KEYS[1], now)
  redis.call('LTRIM', KEYS[1], -most, -1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(longest / 1000) + 1000)
  if counts_day then
    redis.call('INCR', KEYS[2])
    redis.call('EXPIREAT', KEYS[2], next_day)
  end
end
return answer
"""


@dataclass(frozen=True, slots=True)
class WindowState:
    """A window as it stands: how many are used, and for how many microseconds it is full."""

    window: Window
    used: int
    wait: int

    @property
    def remaining(self) -> int:
        """Return how many requests still fit."""
        return max(0, self.window.limit - self.used)

    @property
    def seconds(self) -> int:
        """Return the whole seconds after which it is free again; at least one."""
        return max(1, -(-self.wait // _MICROSECONDS))


class RateLog:
    """The log on one Redis."""

    def __init__(self, client: redis.Redis) -> None:
        """Keep the script; Redis is not asked yet."""
        self._script = client.register_script(_SCRIPT)

    def count(self, api_key: str, budget: str, windows: list[Window]) -> list[WindowState]:
        """Count a request, in all windows or, where one is full, in none; return the windows."""
        return self._ask("1", api_key, budget, windows=windows)

    def look(self, api_key: str, budget: str, windows: list[Window]) -> list[WindowState]:
        """Return the windows as they are; nothing is counted."""
        return self._ask("0", api_key, budget, windows=windows)

    def _ask(
        self, mode: str, api_key: str, budget: str, *, windows: list[Window]
    ) -> list[WindowState]:
        log = f"api:rate:{api_key}:{budget}"
        arguments: list[str | int] = [mode]
        for each in windows:
            is_day = each.span is Span.DAY
            arguments += [each.limit, 0 if is_day else each.seconds * _MICROSECONDS]
        flat = cast("list[int]", self._script(keys=[log, f"{log}:day"], args=arguments))
        return [
            WindowState(window, used, wait)
            for window, used, wait in zip(windows, flat[::2], flat[1::2], strict=True)
        ]


@cache
def _log_at(url: str) -> RateLog:
    # One more try for a connection that has died unused; none for a Redis that does not answer.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return RateLog(
        redis.Redis.from_url(
            url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, retry=retry
        )
    )


def rate_log() -> RateLog:
    """Return this process's log."""
    return _log_at(settings.REDIS_URL)


class ApiRates(BaseThrottle):
    """Counts each request of a session against the budget that its view names."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Let the request through, or raise RateExceeded or RatesUnknown."""
        session = request.auth
        if not isinstance(session, ApiSession):
            return True
        method = "GET" if request.method == "HEAD" else request.method
        rate = view.rates.get(method, Rate.OTHER)
        try:
            states = rate_log().count(session.app.api_key, rate, windows_of(rate))
        except redis.RedisError as error:
            if rate is Rate.ORDERS:
                message = "Orders cannot be counted now, so none are taken. Cancels still are."
                raise RatesUnknown(message) from error
            logger.warning("request not counted budget=%s", rate, exc_info=True)
            return True
        _refuse_full(rate, states)
        return True


def _refuse_full(rate: Rate, states: list[WindowState]) -> None:
    fullest = max(states, key=lambda state: state.wait)
    if fullest.wait:
        window = fullest.window
        raise RateExceeded(
            budget=rate, window=window.span, limit=window.limit, seconds=fullest.seconds
        )
