"""What private events say to programs: orders in the words of `GET /orders`, all else as it is.

An event of orders carries which steps of which orders it is about. They are read once for all
sockets of the process, together with whatever else has gathered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from channels.db import database_sync_to_async

from accounts.models import User
from api.serializers.orders import bot_id_of, order_at
from bots.selectors import owners_of_books
from portfolio.domain.order_state import EventKind
from portfolio.selectors.order_lives import Life, lives_of

Step = tuple[int, int]


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order as it stood after one of its events."""

    row: dict[str, Any]
    # The app that placed it; 0 where none did.
    app_id: int


async def told_of_orders(
    frames: Sequence[bytes],
) -> list[tuple[dict[str, Any], list[OrderState]]]:
    """Return each event with the states of orders that it tells of, oldest first."""
    events = [orjson.loads(frame) for frame in frames]
    steps = [_steps_of(event) for event in events]
    wanted = {order_id for each in steps for order_id, _ in each}
    if not wanted:
        return [(event, []) for event in events]
    states = await database_sync_to_async(_states)([step for each in steps for step in each])
    return [
        (event, [state for step in each for state in states.get(step, ())])
        for event, each in zip(events, steps, strict=True)
    ]


def _steps_of(event: dict[str, Any]) -> list[Step]:
    if event.get("kind") != "order":
        return []
    return [(order_id, number) for order_id, number in event["data"].get("steps", ())]


def _states(steps: Sequence[Step]) -> dict[Step, list[OrderState]]:
    """Read the states after these steps; one that nobody is told of comes with the next."""
    lives = lives_of(order_id for order_id, _ in steps)
    bots = _bots_of(lives.values())
    return {
        (order_id, number): [
            OrderState(
                order_at(life.order, life.events, each, bot_id=bots[order_id]),
                life.order.api_app_id or 0,
            )
            for each in _with_untold(life, number)
        ]
        for order_id, number in steps
        if (life := lives.get(order_id)) is not None and number <= len(life.events)
    }


def _with_untold(life: Life, number: int) -> list[int]:
    """Return a step, after the one before it where that was a sending: those are told of nowhere."""
    is_after_sending = number > 1 and life.events[number - 2].kind == EventKind.SENDING
    return [number - 1, number] if is_after_sending else [number]


def _bots_of(lives: Iterable[Life]) -> dict[int, int | None]:
    """Return for each order the bot whose book it is in; one question for each user."""
    users: dict[int, User] = {}
    for life in lives:
        users.setdefault(life.order.user_id, life.order.user)
    owners = {user_id: owners_of_books(user) for user_id, user in users.items()}
    return {life.order.pk: bot_id_of(life.order, owners[life.order.user_id]) for life in lives}
