"""What every answer carries: headers that limit what a browser may do with it (trust.md 7, 15)."""

from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from api.door import Door

POLICY = HEADER
COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(),"
        " microphone=(), midi=(), payment=(), serial=(), usb=()"
    ),
}
# For what is no page of ours: envelopes, files, refusals. A browser loads nothing from it.
BARE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HSTS = "Strict-Transport-Security"
KEPT_NOWHERE = "private, no-store"
ADMIN = "/admin/"


def strict_transport() -> str | None:
    """Return the value of Strict-Transport-Security; None where the site is not on https."""
    if not settings.SECURE_HSTS_SECONDS:
        return None
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    parts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
    parts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
    return "; ".join(parts)


class HeadersMiddleware(Door):
    """Complete the headers of every answer, whichever middleware or view has made it.

    It stands first. Nothing but static files may be kept by browsers and proxies.
    """

    def finished(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add the headers that are due and not there."""
        for name, value in COMMON.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault(POLICY, BARE_POLICY)
        transport = strict_transport() if request.is_secure() else None
        if transport:
            response.headers.setdefault(HSTS, transport)
        is_file = request.path.startswith(settings.STATIC_URL) and response.status_code < 400
        if not is_file:
            response.headers.setdefault("Cache-Control", KEPT_NOWHERE)
        return response


class PolicyMiddleware(CSPMiddleware):
    """Send pages with the policy of the console; the admin's is wider, under its addresses."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the policy to a page; anything else gets the bare one."""
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> PolicyParts:
        """Return what the policy of this answer is built from."""
        parts = super().get_policy_parts(request, response, *args, **kwargs)
        if request.path.startswith(ADMIN):
            parts.config = {**settings.CONTENT_SECURITY_POLICY["DIRECTIVES"], **settings.ADMIN_CSP}
        return parts
