"""What all endpoints have in common."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, FormParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.exceptions import AccountsError, InvalidInput
from api.authentication import TokenAuthentication
from api.budgets import Rate
from api.errors import error_response, status_response
from api.exceptions import ApiError
from api.packing import pack
from api.throttles import ApiRates
from bots.exceptions import BotsError
from market.exceptions import MarketError
from portfolio.exceptions import PortfolioError

_OURS = (ApiError, AccountsError, MarketError, PortfolioError, BotsError)


class AnswerJson(BaseContentNegotiation):
    """Answer JSON whatever `Accept` says: clients send what their libraries put there."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the one renderer."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> Any:
        """Return the parser of the request's content type, if there is one."""
        sent = (request.content_type or "").split(";")[0].strip().lower()
        return next((each for each in parsers if each.media_type == sent), None)


class ApiView(APIView):
    """One address of the API: token in the header, forms in, envelopes out.

    `rates` names the budget that a method draws on where it is not the usual one. Answers that hold
    secrets are never packed.
    """

    rates: ClassVar[dict[str, Rate]] = {}
    holds_secrets: ClassVar[bool] = False

    authentication_classes = [TokenAuthentication]
    permission_classes = []
    throttle_classes = [ApiRates]
    renderer_classes = [JSONRenderer]
    parser_classes = [FormParser]
    content_negotiation_class = AnswerJson
    # Not `options`: DRF would describe the view to whoever asks.
    http_method_names = ["get", "head", "post", "put", "delete"]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Pack the answer for a client that takes it so."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        if not self.holds_secrets:
            pack(request, answer)
        return answer

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]
        """Answer by the one table; what is nobody's goes on to the middleware, which logs it."""
        if isinstance(exc, _OURS):
            return error_response(exc)
        if isinstance(exc, APIException):
            return status_response(exc.status_code)
        if isinstance(exc, Http404):
            return status_response(404)
        raise exc


def required(fields: Any, name: str) -> str:
    """Return a field that must be there; an empty one is absent (kite-api.md rule 10)."""
    value = str(fields.get(name, ""))
    if not value:
        raise InvalidInput(f"Missing or empty field `{name}`.", field=name, code="required")
    return value
