"""What every console page needs."""

from typing import Any

from django.http import HttpRequest


def console(request: HttpRequest) -> dict[str, Any]:
    """Return the values of the page frame."""
    return {}
