from channels.testing import WebsocketCommunicator

from api.consumers import TickerNotAvailable


async def test_the_ticker_is_refused_in_the_handshake():
    socket = WebsocketCommunicator(TickerNotAvailable.as_asgi(), "/?api_key=a&access_token=b")
    accepted, _ = await socket.connect()
    assert not accepted
