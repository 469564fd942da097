"""The same key gives the same answer: writes of programs under faults (trust.md P1)."""

import json
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from accounts.tests.api_apps import make_app, open_session
from api.tests.desk import FORM, make_desk
from api.views.base import ApiView
from api.writes import write_once
from finbyte_site.celery import app as celery
from market.domain.enums import Side
from market.exceptions import QuoteUnavailable
from portfolio.models import Book, IdempotencyKey, LedgerTransaction
from portfolio.services.idempotency import KEPT, forget_answers
from portfolio.services.ledger import deposit
from portfolio.tasks import forget_kept
from portfolio.tests.factories import balances, make_instrument, make_request, place

AT_ONCE = 50


class Deposits(ApiView):
    """A write with an effect that can be counted: it adds the amount to the user's book."""

    def post(self, request):
        return write_once(request, lambda: _deposited(request))


def _deposited(request):
    amount = Decimal(request.data["amount"])
    if amount < 0:
        raise QuoteUnavailable("not now")
    book = Book.objects.get(user=request.user, kind="MANUAL", quote_asset="INR")
    number = LedgerTransaction.objects.count()
    ref = f"deposit:{number}"
    deposit(book.pk, asset="INR", amount=amount, ref=ref, now=timezone.now())
    return {"number": number}


@pytest.fixture
def desk(alice):
    return make_desk(alice, now=timezone.now())


def post(desk, key, **fields):
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    headers = {**desk.headers, **({} if key is None else {"idempotency-key": key})}
    request = RequestFactory().post("/deposits", body, content_type=FORM, headers=headers)
    answer = Deposits.as_view()(request)
    return answer.status_code, json.loads(answer.content)


def money(desk):
    return int(balances(desk.book)["AVAILABLE", "INR"])


def keys():
    return sorted(IdempotencyKey.objects.values_list("key", flat=True))


def test_fifty_at_once_are_one(real_db, desk):
    gate, answers = threading.Barrier(AT_ONCE), []

    def ask():
        gate.wait()
        try:
            answers.append(json.dumps(post(desk, "k1", amount=5)))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((answer, count),) = Counter(answers).items()
    assert count == AT_ONCE
    assert json.loads(answer)[0] == 200
    assert money(desk) == 1_000_005
    assert keys() == [f"{desk.made.app.pk}:k1"]


def test_without_a_key_each_is_one(desk):
    first, second = post(desk, None, amount=5), post(desk, None, amount=5)
    assert first != second
    assert money(desk) == 1_000_010
    assert keys() == []


def test_what_failed_can_be_tried_again_with_the_key(desk):
    status, answer = post(desk, "k1", amount=-1)
    assert (status, answer["error_type"]) == (503, "NetworkException")
    assert (money(desk), keys()) == (1_000_000, [])
    assert post(desk, "k1", amount=5)[0] == 200
    assert money(desk) == 1_000_005


def test_another_body_is_refused(desk):
    kept = post(desk, "k1", amount=5)
    status, answer = post(desk, "k1", amount=6)
    assert (status, answer["error_type"]) == (400, "InputException")
    assert answer["message"] == "The key k1 was used for something else."
    assert money(desk) == 1_000_005
    assert post(desk, "k1", amount=5) == kept


def test_a_key_of_an_order_is_refused(desk):
    key = f"{desk.made.app.pk}:k1"
    request = replace(make_request(make_instrument(), Side.BUY), idempotency_key=key)
    place(desk.book, request, last=260, now=timezone.now())
    held = money(desk)
    assert post(desk, "k1", amount=5)[0] == 400
    assert money(desk) == held


def test_keys_of_apps_and_users_are_apart(desk, bob):
    now = timezone.now()
    second = make_app(desk.user, now=now, name="Second")
    other = replace(desk, made=second, opened=open_session(second, desk.user, now=now))
    theirs = make_desk(bob, now=now)
    answers = [post(each, "k1", amount=5) for each in (desk, other, theirs)]
    assert [status for status, _ in answers] == [200] * 3
    assert (money(desk), money(theirs)) == (1_000_010, 1_000_005)
    assert len(keys()) == 3


@pytest.mark.parametrize("key", ["", "a b", "a" * 65, "\u00e4", "\x7f"])
def test_a_malformed_key_is_refused(desk, key):
    status, answer = post(desk, key, amount=5)
    assert (status, answer["error_type"]) == (400, "InputException")
    assert answer["data"] == {"field": "Idempotency-Key", "code": "malformed"}
    assert (money(desk), keys()) == (1_000_000, [])


def test_the_longest_key(desk):
    key = "~" * 63 + "!"
    assert post(desk, key, amount=5) == post(desk, key, amount=5)
    assert money(desk) == 1_000_005


def test_keys_are_kept_for_two_days_and_those_of_orders_for_ever(desk):
    now = timezone.now()
    post(desk, "k1", amount=5)
    request = replace(make_request(make_instrument()), idempotency_key="9:order")
    place(desk.book, request, last=260, now=now)
    assert forget_answers(now=now + KEPT - timedelta(minutes=1)) == 0
    assert forget_answers(now=timezone.now() + KEPT) == 1
    assert keys() == ["9:order"]
    post(desk, "k1", amount=5)
    assert money(desk) < 1_000_010


def test_they_are_forgotten_daily(desk):
    post(desk, "k1", amount=5)
    IdempotencyKey.objects.update(created_at=timezone.now() - KEPT)
    post(desk, "k2", amount=5)
    (entry,) = [
        each for each in celery.conf.beat_schedule.values() if each["task"] == forget_kept.name
    ]
    assert (entry["schedule"].hour, entry["schedule"].minute) == ({1}, {20})
    forget_kept()
    assert keys() == [f"{desk.made.app.pk}:k2"]
