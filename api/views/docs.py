"""The OpenAPI file, and a page to browse it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.views import SpectacularAPIView


class Schema(SpectacularAPIView):
    """GET /api/schema: OpenAPI 3.1, as JSON with `?format=json`."""

    authentication_classes = []
    permission_classes = []


@require_GET
def browse(request: HttpRequest) -> HttpResponse:
    """Show the API; requests can be tried with a token."""
    return render(request, "api/docs.html", {"root": settings.PUBLIC_URL})
