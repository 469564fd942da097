"""What the API itself refuses; everything else is refused by the app that it asks."""


class ApiError(Exception):
    """The root of what the API raises."""


class RateExceeded(ApiError):
    """A budget of the api_key is used up; come again after `seconds`."""

    def __init__(self, *, budget: str, window: str, limit: int, seconds: int) -> None:
        super().__init__("Too many requests")
        self.budget, self.window, self.limit = budget, window, limit
        self.seconds = self.retry_after = seconds


class RatesUnknown(ApiError):
    """Requests cannot be counted now, so nothing is let through that has to be counted."""


class OrderDenied(ApiError):
    """Change the order or wait: policy denied it; it is kept as REJECTED under `order_id`."""

    def __init__(self, message: str, *, code: str, order_id: str) -> None:
        super().__init__(message)
        self.code, self.order_id = code, order_id
