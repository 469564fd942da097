"""The budgets of requests that an api_key has (mission A8, decisions 36)."""

from enum import StrEnum


class Rate(StrEnum):
    """Which budget a request draws on; each is counted by itself."""

    # Placing and changing orders: 10 a second, 400 a minute, 5,000 a day.
    ORDERS = "orders"
    # Cancels lower risk: nothing else uses up their budget.
    CANCELS = "cancels"
    HISTORICAL = "historical"
    OTHER = "other"
