"""A rewritten order chain is found by the digest in the audit chain (decisions 17)."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import AuditEvent
from accounts.services.audit import verify_chain
from finbyte_site.celery import app
from portfolio.domain.event_chain import event_hash
from portfolio.models import OrderEvent
from portfolio.services.invariants import check_invariants
from portfolio.services.order_digests import SETTLED_AFTER, broken_digests, digest_orders
from portfolio.tasks import digest_orders as digest_task
from portfolio.tests.factories import make_account, make_book, make_instrument, trade_now

HOUR = timedelta(hours=1)


@pytest.fixture
def book(real_db, alice, now):
    return make_book(make_account(alice, now=now), now=now, funds=200_000)


def rewrite(order_id):
    """Change what an order's first event says and give its whole chain hashes that fit."""
    previous = ""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE portfolio_orderevent DISABLE TRIGGER USER")
        for event in OrderEvent.objects.filter(order=order_id).order_by("sequence"):
            detail = {**event.detail, "source": "API"} if event.sequence == 1 else event.detail
            new = event_hash(
                previous,
                order_id=order_id,
                sequence=event.sequence,
                kind=event.kind,
                to_status=event.to_status,
                detail=detail,
                at=event.at,
            )
            OrderEvent.objects.filter(pk=event.pk).update(
                detail=detail, previous_hash=previous, hash=new
            )
            previous = new
        cursor.execute("ALTER TABLE portfolio_orderevent ENABLE TRIGGER USER")


def test_a_chain_written_anew_is_named_by_the_digest(book, now):
    ongc = make_instrument()
    first = trade_now(book, ongc, quantity=10, price=260, now=now).order_id
    digest_orders(now=now)
    # An order that goes on, and new ones, change nothing about what was digested.
    trade_now(book, ongc, quantity=1, price=260, now=now)
    covering = digest_orders(now=now + HOUR)
    trade_now(book, ongc, quantity=1, price=260, now=now)
    last = digest_orders(now=now + 2 * HOUR)
    assert (covering.detail["orders"], last.detail["orders"]) == (1, 1)
    assert last.detail["after"] == covering.detail["through"]
    assert verify_chain()[0] == AuditEvent.objects.count()
    assert check_invariants(now=now) == []

    rewrite(first)
    assert [each.audit_event_id for each in broken_digests()] == [covering.pk]
    found = check_invariants(now=now, names=["I7"])
    assert [each.row for each in found] == [f"audit_event {covering.pk}"]


def test_a_cut_off_end_of_a_chain_is_found(book, now):
    order = trade_now(book, make_instrument(), quantity=10, price=260, now=now).order_id
    digest_orders(now=now)
    covering = digest_orders(now=now + HOUR)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE portfolio_orderevent DISABLE TRIGGER USER")
        OrderEvent.objects.filter(order=order).latest("sequence").delete()
        cursor.execute("ALTER TABLE portfolio_orderevent ENABLE TRIGGER USER")
    assert [each.audit_event_id for each in broken_digests()] == [covering.pk]


def test_nothing_is_digested_twice_or_too_early(book, now):
    assert digest_orders(now=now) is None
    trade_now(book, make_instrument(), quantity=10, price=260, now=now)
    assert digest_orders(now=now).detail["orders"] == 0
    assert digest_orders(now=now + SETTLED_AFTER / 2) is None
    assert digest_orders(now=now + HOUR).detail["orders"] == 1
    assert digest_orders(now=now + 2 * HOUR) is None


def test_the_clock_asks_for_a_digest_every_hour(book, now):
    trade_now(book, make_instrument(), quantity=10, price=260, now=now)
    (entry,) = [
        each for each in app.conf.beat_schedule.values() if each["task"] == digest_task.name
    ]
    assert entry["schedule"].minute == {7}
    assert len(entry["schedule"].hour) == 24
    digest_task()
    assert AuditEvent.objects.filter(kind="orders.digest").count() == 1
