"""What the run's checks may not hold against us, each with its reason; none of them is off."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemathesis import Case, Response
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import MissingHeaderNotRejected, RejectedPositiveData

# Answer with refusals only, whatever is sent, or need a token that works once, or a profit.
REFUSING = {
    *("POST /mf/orders", "POST /mf/sips", "PUT /mf/orders/{name}", "PUT /mf/sips/{name}"),
    *("DELETE /mf/orders/{name}", "DELETE /mf/sips/{name}", "GET /mf/orders/{name}"),
    *("GET /mf/sips/{name}", "GET /mf/holdings/{name}", "POST /portfolio/holdings/authorise"),
    "POST /bots/{bot_id}/withdraw_profit",
    *("POST /session/token", "POST /session/refresh_token", "DELETE /session/token"),
}
# What the file can express: a request that is valid by it must not be refused for one of these.
# It cannot say how large a number is that comes as a text, nor that blanks alone are no name.
_BY_SHAPE = {
    *("invalid", "invalid_choice", "max_digits", "max_decimal_places", "max_whole_digits"),
    *("max_length", "min_length", "null", "not_json", "not_a_list", "not_a_form"),
    *("required", "rows", "not_an_object"),
}
# Needed with some values of other fields only.
_SOMETIMES = {
    *("price", "trigger_price", "validity_ttl", "iceberg_legs", "iceberg_quantity", "basket"),
    *("rhs_constant", "rhs_exchange", "rhs_tradingsymbol", "rhs_attribute", "refresh_token"),
    *("disclosed_quantity", "auction_number"),
}
# Texts of a form that hold JSON: the file knows them as texts.
_INNER = ("condition", "orders", "basket")


def is_no_fault(failure: Any, case: Case[Any], response: Response, *, is_spoilt: bool) -> bool:
    """Say whether a check asks for what our contract has otherwise."""
    if isinstance(failure, MissingHeaderNotRejected):
        # kite-api.md 1.3: without a token Kite answers 403 TokenException, and clients know only that.
        return failure.header_name.lower() == "authorization" and response.status_code == 403
    if isinstance(failure, RejectedPositiveData):
        # Funds, units, lots, markets, states: no file can say them. Shapes it can.
        return is_spoilt or not _is_by_shape(response)
    if isinstance(failure, AcceptedNegativeData):
        # kite-api.md rule 10: an empty value is an absent one. Of an object inside a form nothing is
        # sent at all, whatever the report shows.
        return _has_empty_field(response) or _has_object(case.body)
    return False


def _is_by_shape(response: Response) -> bool:
    told = json.loads(response.content)["data"] or {}
    code, field = told.get("code"), told.get("field", "")
    if field.startswith(_INNER) or (code == "required" and field.split(".")[-1] in _SOMETIMES):
        return False
    return code in _BY_SHAPE


def _has_object(body: Any) -> bool:
    return isinstance(body, dict) and any(isinstance(each, dict) for each in body.values())


def _has_empty_field(response: Response) -> bool:
    sent = response.request
    body = sent.body.decode(errors="replace") if isinstance(sent.body, bytes) else sent.body or ""
    fields = parse_qsl(urlsplit(sent.url or "").query, keep_blank_values=True)
    fields += parse_qsl(str(body), keep_blank_values=True)
    return any(value == "" for _name, value in fields)
