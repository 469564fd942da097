import re

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from api.openapi import KEYLESS
from api.urls import urlpatterns
from api.views.base import ApiView

EVERYWHERE = {"200", "403", "429", "500", "503"}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_valid_openapi_3_1(schema):
    validate_schema(schema)
    assert schema["openapi"] == "3.1.0"


def test_every_endpoint_is_in_it(schema):
    """Every method of every view of the API, and no address of another part of the site."""
    described = {(path, method) for path, method, _operation in operations(schema)}
    expected = set()
    for pattern in urlpatterns:
        view = getattr(pattern.callback, "view_class", getattr(pattern.callback, "cls", None))
        if view is None or not issubclass(view, ApiView) or not view.http_method_names:
            continue
        address = str(pattern.pattern)
        while "<" in address:
            start, end = address.index("<"), address.index(">")
            part = address[start + 1 : end].rsplit(":", maxsplit=1)[-1]
            address = f"{address[:start]}{{{part}}}{address[end + 1 :]}"
        for method in ("get", "post", "put", "delete"):
            if hasattr(view, method):
                expected.add((f"/{address}", method))
    assert described == expected


def test_every_endpoint_says_what_it_takes_and_answers(schema):
    for path, method, operation in operations(schema):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert set(operation["responses"]) >= EVERYWHERE, where
        is_session = path.startswith("/session/") and "stream" not in path
        assert operation.get("security") == (None if is_session else [{"token": []}]), where
        names = [each["name"] for each in operation.get("parameters", [])]
        is_write = method != "get" and not path.startswith(KEYLESS)
        assert ("Idempotency-Key" in names) == is_write, where


@pytest.mark.django_db
def test_it_is_served_with_a_page_to_browse_it():
    client = Client()
    served = client.get("/api/schema?format=json")
    assert served.status_code == 200
    assert served.json()["info"]["title"] == "FinByte API"
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "/api/schema?format=json" in page.text
    assert "<style" not in page.text
    assert "onload" not in page.text


def test_numbers_of_forms_are_described_as_they_are_read(schema):
    components = schema["components"]["schemas"]
    quantity = re.compile(components["OrderForm"]["properties"]["quantity"]["pattern"])
    assert all(quantity.match(text) for text in ("1", "0.5", ".5", "260.05"))
    assert not any(quantity.match(text) for text in ("", "-1", "1e5", "1_0", "1,0", "NaN", "٣"))
    below = re.compile(components["OrderForm"]["properties"]["market_protection"]["pattern"])
    assert below.match("-1")


def test_forms_of_our_own_addresses_are_closed(schema):
    components = schema["components"]["schemas"]
    assert components["AmountForm"]["additionalProperties"] is False
    assert "additionalProperties" not in components["OrderForm"]


def test_answers_name_their_headers_and_unknown_addresses(schema):
    for path, method, operation in operations(schema):
        answers = operation["responses"]
        for status in ("429", "503"):
            assert answers[status]["headers"]["Retry-After"]["required"], (path, method)
        assert ("404" in answers) or "{" not in path, (path, method)
        assert ("304" in answers) == ("ETag" in answers["200"].get("headers", {})), (path, method)


def test_whoever_places_something_finds_an_example(schema):
    bare = []
    for path, method, operation in operations(schema):
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            is_shown = path.startswith("/session/") or "/bots/{" in path
            if not content.get("examples") and not is_shown:
                bare.append((method, path))
    assert not bare
