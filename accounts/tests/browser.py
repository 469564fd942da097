"""A browser for tests of services: it sends a family, an address and the cookie it was given."""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest
from django.test import RequestFactory

from accounts.models import TrustedDevice, User
from accounts.services.devices import recognise, trust_device
from accounts.session_store import SessionStore

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
HOME = "203.0.113.7"
CAFE = "198.51.100.9"


@dataclass
class Browser:
    """Logs in, and keeps the device cookie as a browser does."""

    agent: str = FIREFOX
    address: str = HOME
    cookie: str = ""
    told: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)

    def request(self) -> HttpRequest:
        """Return a request of this browser, without a session."""
        request = RequestFactory().post("/", HTTP_USER_AGENT=self.agent, REMOTE_ADDR=self.address)
        request.session = SessionStore()
        if self.cookie:
            request.COOKIES[settings.DEVICE_COOKIE_NAME] = self.cookie
        return request

    def keep(self, request: HttpRequest) -> None:
        """Keep the cookie that the response brings, if it brings one."""
        left = getattr(request, "device_cookie", None)
        if left is not None:
            self.cookie = left.value

    def tell(self, user_id: int, kind: str, values: dict[str, str]) -> None:
        """Stand in for the mailing task."""
        self.told.append((user_id, kind, values))

    def trust(self, user: User, *, now: datetime, name: str = "") -> TrustedDevice:
        """Trust this browser at its address."""
        request = self.request()
        device, value = trust_device(request, user, name=name, now=now)
        self.keep(request)
        assert self.cookie == value
        return device

    def recognised(self, user: User, *, now: datetime) -> TrustedDevice | None:
        """Log in with the password; return the device that spares the second factor."""
        request = self.request()
        device = recognise(request, user, now=now, enqueue=self.tell)
        self.keep(request)
        return device
