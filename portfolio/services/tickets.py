"""Orders as venues take them, read straight from their rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from market.domain.enums import FillModel, OrderType, Side, TimeInForce
from market.domain.messages import OrderTicket

# What a ticket is read from, of `portfolio_order o`; `ticket_of` takes them in this order.
TICKET_COLUMNS = (
    "o.venue_account_id, o.client_order_id, o.instrument_id, o.side, o.order_type, o.quantity,"
    " o.time_in_force, o.price, o.trigger_price, o.protection_price, o.fill_model, o.expires_at,"
    " o.price_run"
)


def ticket_of(row: Sequence[Any], *, send_deadline: datetime | None = None) -> OrderTicket:
    """Return the ticket of an order from its `TICKET_COLUMNS`."""
    account, client_order_id, token, side, order_type, quantity, validity, *rest = row
    price, trigger_price, protection_price, fill_model, expires_at, price_run = rest
    return OrderTicket(
        venue_account_id=account,
        client_order_id=client_order_id,
        instrument_token=token,
        side=Side(side),
        order_type=OrderType(order_type),
        quantity=quantity,
        time_in_force=TimeInForce(validity),
        price=price,
        trigger_price=trigger_price,
        protection_price=protection_price,
        send_deadline=send_deadline,
        fill_model=FillModel(fill_model),
        expires_at=expires_at,
        price_run=price_run,
    )
