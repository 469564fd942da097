"""GET /user/limits: what is allowed, and what is left of it."""

from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from api.budgets import Rate, windows_of
from api.consumers import MAX_TOKENS
from api.envelope import success
from api.inputs import MOST_ROWS, StrictForm, read_query
from api.schema import documented
from api.serializers.limits import LimitsData, account_row, rate_row
from api.stream_slots import MOST_SOCKETS
from api.throttles import WindowState, rate_log
from api.views.base import ApiView
from api.views.market import MOST_PRICES, MOST_QUOTES
from api.writes import LONGEST_KEY, session_of
from portfolio.domain.order_plans import MOST_LEGS, MOST_SLICES
from portfolio.selectors.send_rates import send_rates
from portfolio.services.idempotency import KEPT
from portfolio.services.modifications import MOST_CHANGES

# The web server ends a connection whose first line is longer than 16 KiB.
_LONGEST_URL = 16_000


class LimitsQuery(StrictForm):
    """Nothing is asked with it."""


class Limits(ApiView):
    """GET /user/limits."""

    @documented(
        "The published limits, and what is left of them",
        data=LimitsData,
        query=LimitsQuery,
        errors=(400,),
        tag="User",
    )
    def get(self, request: Request) -> HttpResponse:
        """Return the limits; only the budget of all other requests is drawn on."""
        read_query(request, LimitsQuery)
        session = session_of(request)
        rates = send_rates(session.user, now=timezone.now())
        return success(
            {
                "rates": list(_rates(session.app.api_key)),
                **_PUBLISHED,
                "orders": _order_limits(),
                "candle_days": settings.CANDLE_DAYS,
                "accounts": [account_row(each) for each in rates],
            }
        )


_PUBLISHED = {
    "ticker": {"connections": MOST_SOCKETS, "instruments_per_connection": MAX_TOKENS},
    "calls": {
        "quote_instruments": MOST_QUOTES,
        "ohlc_instruments": MOST_PRICES,
        "ltp_instruments": MOST_PRICES,
        "rows": MOST_ROWS,
        "body_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        "url_bytes": _LONGEST_URL,
    },
    "idempotency": {
        "key_length": LONGEST_KEY,
        "kept_hours": int(KEPT.total_seconds()) // 3600,
    },
}


def _order_limits() -> dict[str, int]:
    return {
        "modifications_per_order": MOST_CHANGES,
        "iceberg_legs": MOST_LEGS,
        "autoslice_orders": MOST_SLICES,
        "active_gtts_per_account": settings.GTT_MOST_ACTIVE,
        "enabled_alerts": settings.ALERTS_MOST_ENABLED,
    }


def _rates(api_key: str) -> Iterator[dict[str, Any]]:
    """Give each limit with what is left; without Redis nobody knows that."""
    for rate in Rate:
        windows = windows_of(rate)
        try:
            states, is_known = rate_log().look(api_key, rate, windows), True
        except redis.RedisError:
            states, is_known = [WindowState(each, used=0, wait=0) for each in windows], False
        for state in states:
            yield rate_row(rate, state, is_known=is_known)
