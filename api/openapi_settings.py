"""What the OpenAPI file says of the whole API; plain values, for the settings."""

from typing import Any

TITLE = "FinByte API"
DESCRIPTION = """
A Kite-Connect-shaped API: clients written for Kite work when their root address is changed.

* Send `Authorization: token api_key:access_token`; the token comes from the log-in flow and lasts
  until 06:00 in India. Cookies are not read, and no other site's page may call this API.
* Inputs are form fields, those of GET and DELETE stand in the query; an empty value is an absent
  one. Three addresses take a JSON list.
* Success is `{"status": "success", "data": ...}`, failure `{"status": "error", "message": ...,
  "error_type": ..., "data": ...}`, where `data` names field, limits or what is missing.
* Times are `yyyy-mm-dd HH:MM:SS` in India. Ids of orders and trades are texts.
* With an `Idempotency-Key` a write happens once, however often it is sent: the same key gives the
  same order for ever, and for two days the same answer of any other write.
* Limits count per api_key: `/user/limits` tells them and what is left.
""".strip()

SETTINGS: dict[str, Any] = {
    "TITLE": TITLE,
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "3",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "",
    "SORT_OPERATIONS": False,
    "DISABLE_ERRORS_AND_WARNINGS": False,
    "PREPROCESSING_HOOKS": ["api.openapi.only_the_api"],
    "POSTPROCESSING_HOOKS": ["api.openapi.finished"],
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "TAGS": [
        {"name": "Session", "description": "Tokens for a log-in, renewal, log-out"},
        {"name": "User", "description": "The user, his money, his limits"},
        {"name": "Orders", "description": "Orders and trades of the day"},
        {"name": "Portfolio", "description": "Positions and holdings"},
        {"name": "Margins", "description": "What orders would cost"},
        {"name": "Market", "description": "Instruments, quotes, candles"},
        {"name": "GTT", "description": "Orders that wait for a price"},
        {"name": "Alerts", "description": "Notices, and baskets, at a price"},
        {"name": "Bots", "description": "Bots: ours, beyond Kite"},
        {"name": "Mutual funds", "description": "Not offered; empty lists for generic scripts"},
    ],
}
