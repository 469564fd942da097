"""The budgets of requests that an api_key has (mission A8, decisions 36)."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings


class Rate(StrEnum):
    """Which budget a request draws on; each is counted by itself."""

    # Placing and changing orders: 10 a second, 400 a minute, 5,000 a day.
    ORDERS = "orders"
    # Cancels lower risk: nothing else uses up their budget.
    CANCELS = "cancels"
    HISTORICAL = "historical"
    OTHER = "other"


class Span(StrEnum):
    """Over what a limit counts: any second or minute, or the day that begins at 06:00 in India."""

    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"


_SECONDS = {Span.SECOND: 1, Span.MINUTE: 60, Span.DAY: 86_400}


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many requests in a span of time."""

    span: Span
    limit: int

    @property
    def seconds(self) -> int:
        """Return how long the span is."""
        return _SECONDS[self.span]


def windows_of(rate: Rate) -> list[Window]:
    """Return the limits of a budget, as the settings have them."""
    return [Window(Span(span), limit) for span, limit in settings.API_RATES[rate.value].items()]
