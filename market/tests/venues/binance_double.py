"""A venue on this machine that speaks Binance's signed HTTP, as its documents describe it.

It knows one key and secret, verifies signature and timestamp, and answers what it is told to.
"""

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from market.domain.credentials import Credentials

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
CREDENTIALS = Credentials(key=KEY, secret=SECRET)
RESTRICTIONS: dict[str, Any] = {
    "ipRestrict": False,
    "createTime": 1623840271000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": True,
    "enableSpotAndMarginTrading": True,
    "enablePortfolioMarginTrading": False,
}
ACCOUNT: dict[str, Any] = {
    "makerCommission": 0,
    "takerCommission": 0,
    "canTrade": True,
    "canWithdraw": True,
    "canDeposit": True,
    "brokered": False,
    "accountType": "SPOT",
    "balances": [{"asset": "USDT", "free": "10000.00000000", "locked": "0.00000000"}],
    "permissions": ["SPOT"],
}
# What comes back instead of an answer: bytes with a status, or nothing for so many seconds.
Answer = tuple[int, bytes]


class BinanceDouble:
    """What the venue is like in a test. Paths without an answer are 404, as /sapi on the testnet."""

    def __init__(self, now: datetime) -> None:
        self.clock_ms = int(now.timestamp() * 1000)
        self.answers: dict[str, dict[str, Any] | Answer] = {}
        self.hangs = threading.Event()
        self.hangs.set()
        self.asked: list[str] = []
        self.queries: list[dict[str, str]] = []

    def answer(self, path: str, headers: Any, query: str) -> Answer:
        """Return status and body, as the venue would."""
        self.hangs.wait(10)
        self.asked.append(path)
        found = self.answers.get(path)
        if found is None:
            return 404, b"<html><body>404 Not found</body></html>"
        if isinstance(found, tuple):
            return found
        return self._refusal(headers, query) or (200, json.dumps(found).encode())

    def _refusal(self, headers: Any, query: str) -> Answer | None:
        values = dict(parse_qsl(query))
        self.queries.append(values)
        unsigned, _, signature = query.rpartition("&signature=")
        if headers.get("X-MBX-APIKEY") != KEY:
            code = -2014 if len(headers.get("X-MBX-APIKEY") or "") != 64 else -2015
            return error(code)
        age = self.clock_ms - int(values["timestamp"])
        if not -1000 < age <= int(values["recvWindow"]):
            return error(-1021, status=400)
        expected = hmac.new(SECRET.encode(), unsigned.encode(), sha256).hexdigest()
        return None if hmac.compare_digest(expected, signature) else error(-1022, status=400)


_WORDS = {
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}


def error(code: int, *, status: int = 401) -> Answer:
    """Return an error as Binance writes it."""
    return status, json.dumps({"code": code, "msg": _WORDS.get(code, "Unknown.")}).encode()


@contextmanager
def serving(double: BinanceDouble) -> Iterator[str]:
    """Give the address at which the double answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = double.answer(parts.path, self.headers, parts.query)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        double.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join()
