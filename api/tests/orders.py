"""Orders of programs for tests: what they send, what the database holds afterwards."""

from datetime import datetime
from typing import Any

import redis

from api.tests.desk import Desk
from market.models import Instrument
from market.streams import put_ticks
from portfolio.models import IdempotencyKey, LedgerAccount, LedgerEntry, Order, OrderEvent
from portfolio.tests.factories import make_instrument, make_quote

LIMIT_BUY = {
    "exchange": "NSE",
    "tradingsymbol": "ONGC",
    "transaction_type": "BUY",
    "quantity": "10",
    "product": "CNC",
    "order_type": "LIMIT",
    "price": "260",
}


def quote(
    client: redis.Redis, price: object, *, now: datetime, symbol: str = "NSE:ONGC"
) -> Instrument:
    """Make a price known now."""
    instrument = make_instrument(symbol)
    put_ticks(client, [make_quote(instrument, price, now=now)])
    return instrument


def data(response: Any) -> Any:
    """Return what a success carries."""
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["status"] == "success"
    return answer["data"]


def refused(response: Any, status: int, error_type: str) -> dict[str, Any]:
    """Return the envelope of a refusal, which must be of this kind."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    answer: dict[str, Any] = response.json()
    assert set(answer) == {"status", "message", "error_type", "data"}
    assert (answer["status"], answer["error_type"]) == ("error", error_type)
    assert answer["message"]
    return answer


def buy(desk: Desk, variety: str = "regular", *, key: str | None = None, **fields: Any) -> Any:
    """Send a limit buy of 10 ONGC at 260, changed by fields; None leaves one out."""
    sent = {name: value for name, value in {**LIMIT_BUY, **fields}.items() if value is not None}
    return desk.post(f"/orders/{variety}", key=key, **sent)


def bought(desk: Desk, variety: str = "regular", **fields: Any) -> int:
    """Place a limit buy that is accepted; return its id."""
    answer = data(buy(desk, variety, **fields))
    assert isinstance(answer["order_id"], str)
    return int(answer["order_id"])


def fingerprint() -> tuple[Any, ...]:
    """Return everything that a refused request must not change."""
    return (
        list(Order.objects.order_by("pk").values_list()),
        list(OrderEvent.objects.order_by("pk").values_list("pk", "hash")),
        list(LedgerEntry.objects.order_by("pk").values_list()),
        list(LedgerAccount.objects.order_by("pk").values_list("pk", "balance")),
        list(IdempotencyKey.objects.order_by("pk").values_list("key", "request_hash", "order_id")),
    )
