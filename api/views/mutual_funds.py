"""Mutual funds, of which there are none here: empty lists, so that scripts written for Kite run."""

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from api.envelope import failure, success
from api.instrument_files import csv_text
from api.packing import PackedFile, csv_response
from api.schema import documented, documented_csv
from api.views.base import ApiView

_COLUMNS = (
    "tradingsymbol",
    "amc",
    "name",
    "purchase_allowed",
    "redemption_allowed",
    "minimum_purchase_amount",
    "purchase_amount_multiplier",
    "minimum_additional_purchase_amount",
    "minimum_redemption_quantity",
    "redemption_quantity_multiplier",
    "dividend_type",
    "scheme_type",
    "plan",
    "settlement_type",
    "last_price",
    "last_price_date",
)
_FILE = PackedFile.of(csv_text(_COLUMNS, []))
_TAG = "Mutual funds"
_EMPTY = serializers.ListField(child=serializers.DictField(), max_length=0)
# Declared as what a success would be; there is none.
_NOTHING: Any = serializers.DictField()
_refused = documented("Refused: no funds", data=_NOTHING, errors=(400,), tag=_TAG)


def _not_traded() -> HttpResponse:
    return failure(400, "OrderException", "Mutual funds are not traded here.")


def _nothing_there() -> HttpResponse:
    return failure(404, "GeneralException", "There are no mutual funds here.")


class FundInstruments(ApiView):
    """GET /mf/instruments."""

    @documented_csv("Funds: a header line and no rows", tag=_TAG)
    def get(self, request: Request) -> HttpResponse:
        """Return the header."""
        return csv_response(request, _FILE)


class FundList(ApiView):
    """GET /mf/holdings, /mf/allotments."""

    @documented("An empty list", data=_EMPTY, tag=_TAG)
    def get(self, _request: Request) -> HttpResponse:
        """Return an empty list."""
        return success([])


class FundOrders(FundList):
    """GET and POST /mf/orders, /mf/sips."""

    @_refused
    def post(self, _request: Request) -> HttpResponse:
        """Refuse."""
        return _not_traded()


class FundRow(ApiView):
    """GET /mf/holdings/{isin}."""

    @documented("Not found", data=_NOTHING, errors=(404,), tag=_TAG)
    def get(self, _request: Request, name: str) -> HttpResponse:
        """Answer that there is none."""
        return _nothing_there()


class FundOrder(FundRow):
    """GET, PUT and DELETE /mf/orders/{id}, /mf/sips/{id}."""

    @_refused
    def put(self, _request: Request, name: str) -> HttpResponse:
        """Refuse."""
        return _not_traded()

    @_refused
    def delete(self, _request: Request, name: str) -> HttpResponse:
        """Refuse."""
        return _not_traded()
