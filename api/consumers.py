"""Sockets of the API."""

from channels.generic.websocket import AsyncWebsocketConsumer


class TickerNotAvailable(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Refuse the ticker in the handshake with 403: there are no API apps yet.

    Accepting and then closing would send Kite's client into a loop (kite-api.md rule 14).
    """

    async def connect(self) -> None:
        """Refuse."""
        await self.close()
