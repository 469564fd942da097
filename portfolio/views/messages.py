"""Short messages that a page shows for a few seconds."""

import json

from django.http import HttpResponse


def toasted(response: HttpResponse, message: str, *, tone: str = "success") -> HttpResponse:
    """Let the page show a message beside what it swaps in."""
    response["HX-Trigger"] = json.dumps({"fb:toast": {"message": message, "tone": tone}})
    return response
