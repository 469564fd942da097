"""Answers of the API."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from api.envelope import failure


# No cookie counts here, so there is nothing for a forged request to borrow.
@csrf_exempt
def api_not_available(request: HttpRequest) -> JsonResponse:
    """Say that the address is the API's, and that there are no API apps yet."""
    return failure(
        403,
        "TokenException",
        "This address is part of the API. API apps are not available yet.",
    )
