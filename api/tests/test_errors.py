import importlib
import json
import pkgutil
from decimal import Decimal

import pytest
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

import accounts.exceptions
import api.exceptions
import bots.exceptions
import market.exceptions
import portfolio.exceptions
from api.errors import TABLE, error_response
from bots.exceptions import InvalidParameter
from portfolio.exceptions import (
    InsufficientFunds,
    InsufficientUnits,
    LedgerImbalance,
    OrderNotFound,
)

KITE_PAIRS = {
    ("TokenException", 403),
    ("UserException", 403),
    ("TwoFAException", 403),
    ("NetworkException", 429),
    ("PermissionException", 403),
    ("OrderException", 400),
    ("InputException", 400),
    ("MarginException", 400),
    ("HoldingException", 400),
    ("DataException", 502),
    ("NetworkException", 502),
    ("NetworkException", 503),
    ("NetworkException", 504),
    ("GeneralException", 404),
    ("GeneralException", 500),
    ("GeneralException", 503),
}


ROOTS = (
    api.exceptions.ApiError,
    accounts.exceptions.AccountsError,
    market.exceptions.MarketError,
    portfolio.exceptions.PortfolioError,
    bots.exceptions.BotsError,
)


def our_exceptions():
    """Return every exception that may leave one of the apps, wherever it is written.

    What does not come from a root (a ValueError of the domain, say) is caught inside its app.
    """
    found = set()
    for package in (api, accounts, market, portfolio, bots):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if {"tests", "migrations", "benches", "management"} & set(module.name.split(".")):
                continue
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, ROOTS):
                    found.add(value)
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__qualname__}")


def body(error):
    response = error_response(error)
    return response.status_code, json.loads(response.content)


def test_every_exception_of_ours_is_in_the_table():
    assert set(ROOTS) < set(our_exceptions())
    unmapped = [error for error in our_exceptions() if error not in TABLE]
    assert not unmapped, f"add to api.errors.TABLE: {unmapped}"


def test_every_answer_is_one_that_clients_know():
    assert {(wire.error_type, wire.status) for wire in TABLE.values()} <= KITE_PAIRS


def test_no_money_names_what_is_missing():
    error = InsufficientFunds(
        "INR 100.5 needed, 20 available",
        asset="INR",
        needed=Decimal("100.500000000000"),
        available=Decimal(20),
    )
    assert body(error) == (
        400,
        {
            "status": "error",
            "message": "INR 100.5 needed, 20 available",
            "error_type": "MarginException",
            "data": {"asset": "INR", "needed": "100.5", "available": "20"},
        },
    )


def test_no_units_is_another_type_than_no_money():
    error = InsufficientUnits("x", asset="BTC", needed=Decimal(1), available=Decimal(0))
    assert body(error)[1]["error_type"] == "HoldingException"


def test_a_parameter_names_field_code_and_limits():
    error = InvalidParameter("Grids: 2 to 200", field="grids", code="max", maximum="200")
    status, answer = body(error)
    assert (status, answer["error_type"]) == (400, "InputException")
    assert answer["data"] == {"field": "grids", "code": "max", "maximum": "200"}


def test_our_own_faults_keep_their_words_inside():
    for error in (LedgerImbalance("book 7: INR -5"), ZeroDivisionError("secret")):
        status, answer = body(error)
        assert (status, answer["error_type"]) == (500, "GeneralException")
        assert answer["message"] == "Something went wrong on our side."
        assert answer["data"] is None


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (OperationalError("host"), "GeneralException"),
        (RedisConnectionError("x"), "NetworkException"),
    ],
)
def test_services_that_are_away_ask_to_come_back(error, error_type):
    response = error_response(error)
    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert json.loads(response.content)["error_type"] == error_type


def test_somebody_elses_order_is_no_order():
    assert body(OrderNotFound("There is no order 5."))[0] == 404
