"""Which answers of the API are packed, and how."""

import gzip
import json

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils import timezone

from accounts.tests.api_apps import agree
from api.packing import LEAST_PACKED, pack, takes_gzip
from api.tests.desk import make_desk
from finbyte_site.tests.console import client_of

factory = RequestFactory()
GZIP = "gzip, deflate"


def asking(header):
    return factory.get("/quote", headers={} if header is None else {"accept-encoding": header})


@pytest.mark.parametrize(
    "header",
    [
        "gzip",
        "gzip, deflate",
        "gzip, compress, deflate, br",
        "br;q=1.0, GZIP;q=0.8",
        "a,gzip ; q=1",
    ],
)
def test_who_takes_gzip(header):
    assert takes_gzip(asking(header))


@pytest.mark.parametrize(
    "header",
    [None, "", "br", "identity", "gzip;q=0", "gzip;q=0.0", "xgzip", "gzipx", "gzip;q=9", "*"],
)
def test_who_does_not(header):
    assert not takes_gzip(asking(header))


def packed(size=LEAST_PACKED, header=GZIP, **headers):
    response = HttpResponse(b"x" * size, content_type="application/json", headers=headers)
    pack(asking(header), response)
    return response


def test_a_large_answer_keeps_its_type_and_says_how_it_came():
    answer = packed()
    assert gzip.decompress(answer.content) == b"x" * LEAST_PACKED
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Encoding"] == "gzip"
    assert answer["Vary"] == "Accept-Encoding"
    assert answer["Content-Length"] == str(len(answer.content))


def test_a_small_answer_is_left_as_it_is():
    answer = packed(LEAST_PACKED - 1)
    assert answer.content == b"x" * (LEAST_PACKED - 1)
    assert not {"Content-Encoding", "Vary"} & set(answer.headers)


def test_a_large_answer_for_others_says_that_it_can_differ():
    answer = packed(header=None)
    assert answer.content == b"x" * LEAST_PACKED
    assert "Content-Encoding" not in answer
    assert answer["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(("tag", "after"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"')])
def test_a_strong_tag_becomes_weak(tag, after):
    assert packed(ETag=tag)["ETag"] == after
    assert packed(header=None, ETag=tag)["ETag"] == tag


def test_what_is_packed_already_is_not_packed_twice():
    body = gzip.compress(b"x" * 5000) * 40
    response = HttpResponse(body, headers={"Content-Encoding": "gzip"})
    pack(asking(GZIP), response)
    assert response.content == body


@pytest.mark.django_db
class TestAnswers:
    @pytest.fixture
    def desk(self, alice, redis_client):
        return make_desk(alice, now=timezone.now())

    def test_an_answer_and_a_refusal(self, desk):
        client = Client(headers={**desk.headers, "accept-encoding": GZIP})
        answer = client.get("/user/margins")
        assert answer["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(answer.content))["status"] == "success"
        small = client.get("/quote")
        assert small.json()["status"] == "error"

    def test_tokens_are_never_packed(self, desk):
        token = agree(desk.made, desk.user, now=timezone.now())
        client = Client(headers={"accept-encoding": GZIP})
        answer = client.post("/session/token", desk.made.fields(token))
        assert answer.status_code == 200
        assert len(answer.content) > LEAST_PACKED
        assert not {"Content-Encoding", "Vary"} & set(answer.headers)
        assert answer.json()["data"]["access_token"]

    def test_pages_are_never_packed(self, alice):
        answer = client_of(alice).get("/console/account/", headers={"accept-encoding": GZIP})
        assert len(answer.content) > LEAST_PACKED
        assert "Content-Encoding" not in answer

    @pytest.mark.parametrize("path", ["/user/margins", "/instruments"])
    def test_the_same_as_the_server_asks(self, desk, path):
        headers = {**desk.headers, "accept-encoding": GZIP}
        packed = async_to_sync(AsyncClient().get)(path, headers=headers)
        plain = async_to_sync(AsyncClient().get)(path, headers=desk.headers)
        assert packed["Content-Encoding"] == "gzip"
        assert packed["Content-Type"] == plain["Content-Type"]
        assert gzip.decompress(packed.content) == plain.content
