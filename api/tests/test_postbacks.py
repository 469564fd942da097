"""Postbacks: what is told, to whom, in which order, again when, and what nobody waits for."""

import hmac
import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import PostbackReceiver
from accounts.services.api_apps import change_app, revoke_app, rotate_secret
from accounts.tests.api_apps import make_app, open_session, settings_of
from api import postbacks
from api.postback_client import PostbackClient, PublicAddresses
from api.postbacks import send_due
from api.tests.desk import make_desk
from api.tests.receiver import HOST, receiving
from market.domain.enums import OrderStatus
from market.domain.messages import OutcomeKind, ReportKind
from portfolio.domain.order_state import EventKind
from portfolio.domain.postbacks import PAUSES, pause_after, told_as
from portfolio.models import Order, Postback, RiskLimit
from portfolio.services.executions import apply_report
from portfolio.services.orders import cancel_order
from portfolio.services.postbacks import KEPT, forget_postbacks
from portfolio.tests.factories import (
    fill,
    make_instrument,
    make_report,
    make_request,
    no_hint,
    place,
    send,
)

pytestmark = pytest.mark.django_db
URL = f"https://{HOST}/kite"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def desk(alice, now):
    return make_desk(alice, now=now, postback_url=URL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("receiver")


@pytest.fixture
def receiver(folder):
    with receiving(folder) as made:
        yield made


def place_one(desk, *, now, app=None, **values):
    """Place an order as the desk's program does; return its id."""
    request = replace(
        make_request(make_instrument(), **values),
        api_app_id=(app or desk.made.app).pk,
        source="API",
    )
    return place(desk.book, request, last=260, now=now)[0].order_id


def complete(desk, *, now, quantity=10):
    """Place an order and fill it at once; return its id."""
    order_id = place_one(desk, now=now, quantity=quantity)
    send(order_id, now=now)
    fill(order_id, quantity, 260, now=now)
    return order_id


def cancel(desk, order_id, *, now):
    with transaction.atomic():
        cancel_order(desk.user, order_id, now=now, enqueue=no_hint)


def waiting():
    return list(Postback.objects.order_by("id").values_list("order_id", "sequence", "name"))


def states():
    return list(Postback.objects.order_by("id").values_list("state", "attempts", "answer"))


def bodies(receiver):
    return [json.loads(each.body) for each in receiver.received]


def make_due():
    """Let the time pass that a retry or a paused receiver waits for."""
    Postback.objects.filter(state="PENDING").update(next_at=timezone.now())
    PostbackReceiver.objects.update(paused_until=None)


# ------------------------------------------------------------ what is told


@pytest.mark.parametrize(
    ("kind", "to", "name"),
    [
        (EventKind.DENIED, OrderStatus.DENIED, "REJECTED"),
        (EventKind.REJECTED, OrderStatus.REJECTED, "REJECTED"),
        (EventKind.NOT_AT_VENUE, OrderStatus.NOT_AT_VENUE, "REJECTED"),
        (EventKind.ADOPTED, OrderStatus.OPEN, "UPDATE"),
        (EventKind.CANCELLED, OrderStatus.CANCELLED, "CANCELLED"),
        (EventKind.EXPIRED, OrderStatus.EXPIRED, "CANCELLED"),
        (EventKind.TRADE, OrderStatus.OPEN, "UPDATE"),
        (EventKind.TRADE, OrderStatus.CANCEL_PENDING, "UPDATE"),
        (EventKind.TRADE, OrderStatus.FILLED, "COMPLETE"),
        (EventKind.TRADE, OrderStatus.CANCELLED, "CANCELLED"),
        (EventKind.MODIFIED, OrderStatus.OPEN, "UPDATE"),
        (EventKind.MODIFIED, OrderStatus.FILLED, "COMPLETE"),
    ],
)
def test_what_is_told(kind, to, name):
    assert told_as(kind, to) == name


def test_what_is_not_told():
    told = {kind for kind in EventKind if told_as(kind, OrderStatus.OPEN)}
    assert set(EventKind) - told == {
        EventKind.CREATED,
        EventKind.SENDING,
        EventKind.NOT_SENT,
        EventKind.UNKNOWN,
        EventKind.ACCEPTED,
        EventKind.TRIGGERED,
        EventKind.CANCEL_ASKED,
        EventKind.CANCEL_REJECTED,
        EventKind.MODIFY_ASKED,
        EventKind.MODIFY_REJECTED,
    }


def test_part_and_whole(desk, now):
    order_id = place_one(desk, now=now)
    send(order_id, now=now)
    assert waiting() == []
    fill(order_id, 4, 260, now=now)
    fill(order_id, 6, 260, now=now)
    assert waiting() == [(order_id, 4, "UPDATE"), (order_id, 5, "COMPLETE")]


def test_a_cancel_and_a_refusal(desk, now):
    cancelled = place_one(desk, now=now)
    cancel(desk, cancelled, now=now)
    refused = place_one(desk, now=now)
    send(refused, now=now, kind=OutcomeKind.REJECTED)
    RiskLimit.objects.create(user=desk.user, max_order_value=1)
    denied = place_one(desk, now=now)
    assert [(order, name) for order, _, name in waiting()] == [
        (cancelled, "CANCELLED"),
        (refused, "REJECTED"),
        (denied, "REJECTED"),
    ]


def test_an_expired_order(desk, now):
    order_id = place_one(desk, now=now)
    send(order_id, now=now)
    apply_report(make_report(order_id, ReportKind.EXPIRED, now=now), now=now)
    assert waiting() == [(order_id, 4, "CANCELLED")]


def test_it_is_written_with_the_event_or_not_at_all(desk, now):
    order_id = place_one(desk, now=now)
    point = transaction.savepoint()
    cancel(desk, order_id, now=now)
    assert waiting() == [(order_id, 2, "CANCELLED")]
    transaction.savepoint_rollback(point)
    assert waiting() == []
    assert Order.objects.get(pk=order_id).status == "READY"


def test_who_asked_for_nothing_is_told_nothing(desk, now):
    silent = make_app(desk.user, now=now, name="Silent").app
    with CaptureQueriesContext(connection) as queries:
        order_id = place(desk.book, make_request(make_instrument()), last=260, now=now)[0].order_id
        send(order_id, now=now)
        fill(order_id, 10, 260, now=now)
    assert not [each for each in queries if "portfolio_postback" in each["sql"]]
    other = place_one(desk, now=now, app=silent)
    cancel(desk, other, now=now)
    assert waiting() == []


def test_one_statement_more_and_no_round_trip(desk, now):
    counts = []
    for app_id in (None, desk.made.app.pk):
        request = replace(make_request(make_instrument()), api_app_id=app_id)
        order_id = place(desk.book, request, last=260, now=now)[0].order_id
        with CaptureQueriesContext(connection) as queries:
            cancel(desk, order_id, now=now)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# ------------------------------------------------------------ what arrives


def test_a_notice_as_kite_writes_it(desk, now, receiver):
    order_id = complete(desk, now=now)
    assert send_due(receiver.client()) == 1
    (received,) = receiver.received
    body, secret = json.loads(received.body), desk.made.secret
    assert body["order_id"] == str(order_id)
    assert body["status"] == "COMPLETE"
    assert (body["filled_quantity"], body["pending_quantity"]) == (10, 0)
    assert (body["unfilled_quantity"], body["app_id"]) == (0, desk.made.app.pk)
    assert body["user_id"] == body["account_id"] == desk.user.public_id
    signed = f"{order_id}{body['order_timestamp']}{secret}"
    assert body["checksum"] == sha256(signed.encode()).hexdigest()
    stamp = received.headers["X-FinByte-Timestamp"]
    whole = hmac.new(secret.encode(), stamp.encode() + b"." + received.body, "sha256")
    assert received.headers["X-FinByte-Signature"] == f"sha256={whole.hexdigest()}"
    assert received.headers["X-FinByte-Delivery"] == str(Postback.objects.get().pk)
    assert states() == [("DELIVERED", 1, "answered 200")]
    kept = PostbackReceiver.objects.get()
    assert (kept.url, kept.failures, kept.answer) == (URL, 0, "answered 200")
    assert kept.delivered_at is not None
    assert kept.failed_at is None


def test_an_order_of_somebody_else_goes_to_the_owner_of_the_app(desk, bob, now, receiver):
    made = make_app(bob, now=now, postback_url=URL, name="Bob's")
    open_session(made, desk.user, now=now)
    order_id = place_one(desk, now=now, app=made.app)
    cancel(desk, order_id, now=now)
    send_due(receiver.client())
    (body,) = bodies(receiver)
    assert body["user_id"] == desk.user.public_id
    signed = f"{order_id}{body['order_timestamp']}{made.secret}"
    assert body["checksum"] == sha256(signed.encode()).hexdigest()


def test_each_notice_tells_the_order_as_it_was(desk, now, receiver):
    order_id = place_one(desk, now=now)
    send(order_id, now=now)
    fill(order_id, 4, 260, now=now)
    fill(order_id, 6, 260, now=now)
    assert send_due(receiver.client()) == 2
    assert [(each["status"], each["filled_quantity"]) for each in bodies(receiver)] == [
        ("UPDATE", 4),
        ("COMPLETE", 10),
    ]


def test_notices_of_one_order_wait_for_each_other(desk, now, receiver):
    order_id = place_one(desk, now=now)
    send(order_id, now=now)
    fill(order_id, 4, 260, now=now)
    fill(order_id, 6, 260, now=now)
    other = complete(desk, now=now)
    receiver.refused = b'"status":"UPDATE"'
    assert send_due(receiver.client()) == 1
    told = [(body["order_id"], body["status"]) for body in bodies(receiver)]
    assert sorted(told) == sorted([(str(order_id), "UPDATE"), (str(other), "COMPLETE")])
    receiver.refused = b""
    make_due()
    assert send_due(receiver.client()) == 2
    assert [body["status"] for body in bodies(receiver)[2:]] == ["UPDATE", "COMPLETE"]


def test_a_retry_says_the_same(desk, now, receiver):
    order_id = place_one(desk, now=now)
    send(order_id, now=now)
    fill(order_id, 4, 260, now=now)
    receiver.statuses = [503, 200]
    assert send_due(receiver.client()) == 0
    assert states() == [("PENDING", 1, "answered 503")]
    Order.objects.filter(pk=order_id).update(status_message="later")
    make_due()
    assert send_due(receiver.client()) == 1
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["X-FinByte-Delivery"] == second.headers["X-FinByte-Delivery"]


def test_what_was_sent_and_not_noted_is_sent_again(desk, now, receiver, monkeypatch):
    complete(desk, now=now)

    def killed(*_answers, **_values):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(postbacks, "record_answers", killed)
        with pytest.raises(SystemExit):
            send_due(receiver.client())
    assert states() == [("PENDING", 0, "")]
    assert send_due(receiver.client()) == 1
    first, second = receiver.received
    assert first.body == second.body
    assert states() == [("DELIVERED", 1, "answered 200")]


# ------------------------------------------------------------ when nobody takes it


def test_how_long_it_waits(desk, now, receiver):
    complete(desk, now=now)
    receiver.statuses = [500]
    waits = []
    for _ in range(8):
        send_due(receiver.client())
        waits.append((Postback.objects.get().next_at - timezone.now()).total_seconds())
        make_due()
    assert [round(wait, -1 if wait > 60 else 0) for wait in waits] == [
        5,
        30,
        120,
        600,
        3600,
        21_600,
        21_600,
        21_600,
    ]
    assert [pause_after(n) for n in range(1, 9)] == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    Postback.objects.update(created_at=timezone.now() - timedelta(hours=24))
    send_due(receiver.client())
    assert states() == [("FAILED", 9, "answered 500")]
    make_due()
    send_due(receiver.client())
    assert len(receiver.received) == 9


def test_a_dead_receiver_is_left_alone_and_holds_up_nobody(desk, bob, now, receiver):
    dead = make_app(desk.user, now=now, name="Dead", postback_url="https://dead.example.com/").app
    for _ in range(6):
        order_id = place_one(desk, now=now, app=dead)
        cancel(desk, order_id, now=now)
    complete(desk, now=now)

    async def lookup(host):
        return ["127.0.0.1"] if host == HOST else []

    addresses = PublicAddresses(lookup=lookup, port=receiver.port)
    addresses.is_allowed = lambda _address: True
    client = PostbackClient(addresses=addresses, verify=receiver.trust)
    assert send_due(client) == 1
    assert [state for state, _, _ in states()].count("DELIVERED") == 1
    # Four were tried together; after that nothing is sent there for a while.
    assert sum(attempts for _, attempts, _ in states()) == 5
    kept = PostbackReceiver.objects.get(app=dead)
    assert (kept.failures, kept.answer) == (1, "not a public https address")
    assert 4 < (kept.paused_until - timezone.now()).total_seconds() <= 5
    send_due(client)
    assert sum(attempts for _, attempts, _ in states()) == 5
    # When it is tried again, then with one notice only.
    make_due()
    send_due(client)
    assert sum(attempts for _, attempts, _ in states()) == 6
    assert PostbackReceiver.objects.get(app=dead).failures == 2


def test_another_address_starts_afresh(desk, now, receiver):
    desk.made.app.postback_url = "https://dead.example.com/"
    desk.made.app.save()
    complete(desk, now=now)
    send_due(PostbackClient(addresses=PublicAddresses(lookup=_nothing)))
    assert PostbackReceiver.objects.get().failures == 1
    wanted = settings_of(postback_url=URL, products=desk.made.app.products)
    change_app(desk.made.app, wanted, client_address=None, now=now)
    Postback.objects.update(next_at=timezone.now())
    assert send_due(receiver.client()) == 1
    kept = PostbackReceiver.objects.get()
    assert (kept.url, kept.failures, kept.paused_until) == (URL, 0, None)


def test_who_refuses_everything_is_left_alone_too(desk, now, receiver):
    complete(desk, now=now)
    receiver.statuses = [404]
    for _ in range(5):
        send_due(receiver.client())
        assert PostbackReceiver.objects.get().paused_until is None or _ == 4
        Postback.objects.update(next_at=timezone.now())
    send_due(receiver.client())
    assert len(receiver.received) == 5


def test_at_most_four_at_once(desk, now, receiver):
    for _ in range(10):
        order_id = place_one(desk, now=now)
        cancel(desk, order_id, now=now)
    receiver.delay = 0.05
    assert send_due(receiver.client()) == 10
    assert receiver.most_at_once == 4


def test_one_order_that_cannot_be_told_keeps_no_other(desk, now, receiver, monkeypatch):
    bad, good = complete(desk, now=now), complete(desk, now=now)
    order_at = postbacks.order_at

    def failing(order, events, n):
        if order.pk == bad:
            raise ValueError("no such state")
        return order_at(order, events, n)

    monkeypatch.setattr(postbacks, "order_at", failing)
    assert send_due(receiver.client()) == 1
    assert [body["order_id"] for body in bodies(receiver)] == [str(good)]
    assert states() == [
        ("PENDING", 1, "the order cannot be written"),
        ("DELIVERED", 1, "answered 200"),
    ]


# ------------------------------------------------------------ changes in between


def test_a_new_secret_signs_what_is_sent_from_then_on(desk, now, receiver):
    order_id = complete(desk, now=now)
    receiver.statuses = [500, 200]
    send_due(receiver.client())
    _, secret = rotate_secret(desk.made.app, client_address=None, now=now)
    make_due()
    send_due(receiver.client())
    first, second = bodies(receiver)
    signed = f"{order_id}{second['order_timestamp']}{secret}"
    assert second["checksum"] == sha256(signed.encode()).hexdigest() != first["checksum"]
    assert {**first, "checksum": ""} == {**second, "checksum": ""}


@pytest.mark.parametrize("how", ["revoked", "no address", "stopped"])
def test_without_somebody_to_tell_nothing_is_sent(desk, now, receiver, how):
    complete(desk, now=now)
    if how == "revoked":
        revoke_app(desk.made.app, actor=desk.user, client_address=None, now=now)
    elif how == "no address":
        wanted = settings_of(postback_url="", products=desk.made.app.products)
        change_app(desk.made.app, wanted, client_address=None, now=now)
    else:
        desk.user.is_active = False
        desk.user.save()
    assert send_due(receiver.client()) == 0
    assert receiver.received == []
    assert states() == [("DROPPED", 0, "")]


def test_old_notices_are_forgotten(desk, now, receiver):
    complete(desk, now=now)
    send_due(receiver.client())
    complete(desk, now=now)
    assert forget_postbacks(now=timezone.now() + KEPT - timedelta(minutes=1)) == 0
    assert forget_postbacks(now=timezone.now() + KEPT + timedelta(minutes=1)) == 1
    assert states() == [("PENDING", 0, "")]


async def _nothing(_host):
    return []
