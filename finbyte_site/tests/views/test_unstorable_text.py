"""Text that no column can hold is refused everywhere: 400, never 500."""

import pytest
from django.test import AsyncClient, Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from accounts.models import User
from finbyte_site.tests.console import client_of

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "/console/search/?q=%00",
    "/console/search/?%00=1",
    "/console/markets/?q=a&q=b%00",
    "/console/markets/NSE/%00/",
    "/console/bots/new/spot_grid/?instrument=%00",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_nul_in_an_address_is_a_plain_page(alice: User, address: str) -> None:
    response = client_of(alice).get(address)
    assert response.status_code == 400
    page = response.content.decode()
    assert "This could not be read" in page
    assert "default-src" in response["Content-Security-Policy"]
    assert "\0" not in page


@pytest.mark.parametrize("path", ["/console/account/log-in", "/console/funds/"])
def test_a_nul_in_a_posted_field_is_refused(path: str) -> None:
    assert Client().post(path, {"username": "a\0b"}).status_code == 400


def test_a_nul_in_a_quoted_cookie_is_refused() -> None:
    assert Client(headers={"cookie": r'finbyte_session="abcdefgh\000"'}).get("/").status_code == 400


def test_half_a_surrogate_pair_is_refused() -> None:
    body = encode_multipart(BOUNDARY, {"username": "+2AA-"})
    response = Client().generic(
        "POST", "/console/account/log-in", body, f"{MULTIPART_CONTENT}; charset=utf-7"
    )
    assert response.status_code == 400


@pytest.mark.parametrize("address", ["/quote?i=%00", "/orders/%00", "/bots?%00"])
def test_under_the_api_it_is_an_envelope(address: str) -> None:
    response = Client().get(address)
    assert response.status_code == 400
    assert response.json()["error_type"] == "InputException"


async def test_the_server_s_own_way_of_asking_is_refused_too() -> None:
    response = await AsyncClient().get("/console/search/?q=%00")
    assert response.status_code == 400


def test_other_alphabets_pass(alice: User) -> None:
    assert client_of(alice).get("/console/markets/?q=%F0%9D%84%9E%E0%A4%B9").status_code == 200
