"""What a browser needs to open `/stream`."""

from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from rest_framework.request import Request

from api.envelope import success
from api.schema import documented
from api.serializers.stream import StreamTokenData
from api.stream_tokens import SECONDS, new_stream_token
from api.views.base import ApiView
from api.writes import session_of


@method_decorator(never_cache, name="dispatch")
class StreamToken(ApiView):
    """POST /session/stream_token."""

    holds_secrets = True

    @documented("A token that opens /stream once", data=StreamTokenData, tag="User")
    def post(self, request: Request) -> HttpResponse:
        """Return a token for pages, which can send no header: `/stream?token=...`."""
        token = new_stream_token(session_of(request))
        return success({"token": token, "expires_in": SECONDS})
