"""What Kite's clients are sent: packets, and what becomes of the user's orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import orjson

from api.serializers.orders import postback_of
from api.stream_orders import told_of_orders
from api.ticker import HEARTBEAT, frame, packet
from market.listeners import Frame, Ticker, Writer


class TickerWriter(Writer):
    """Writes to Kite's clients, at most ten times a second."""

    seconds = 0.1
    most_sockets = 1000
    # Clients take silence for a broken link; ping frames do not count (kite-api.md rule 12).
    heartbeat = HEARTBEAT
    # A packet cannot say how old it is.
    shows_age = False

    def pack(self, ticker: Ticker, mode: str, now: datetime) -> Frame:
        """Return the instrument's packet."""
        return packet(ticker.quote, mode)

    def frame(self, parts: Sequence[Frame]) -> Frame:
        """Join packets."""
        return frame(cast("Sequence[bytes]", parts))

    async def told(self, frames: Sequence[bytes]) -> list[list[str]]:
        """Return an order update for every change of an order; nothing of all else."""
        return [
            [
                orjson.dumps(
                    {
                        "type": "order",
                        "data": postback_of(state.row, app_id=state.app_id, api_secret=None),
                    }
                ).decode()
                for state in states
            ]
            for _, states in await told_of_orders(frames)
        ]


TICKER = TickerWriter()
