"""Letting somebody look: offered, accepted, taken back, left; nothing tells who exists."""

from datetime import timedelta

import pytest
from django.core import mail

from accounts.exceptions import InvalidInput, NotFound
from accounts.models import AuditEvent, Delegation, User
from accounts.services.delegations import (
    LONGEST,
    MOST_OPEN,
    accept_view,
    leave_view,
    mail_delegation,
    offer_view,
    revoke_view,
)

pytestmark = pytest.mark.django_db


class Queue:
    """Stands in for the task that mails."""

    def __init__(self):
        self.jobs = []

    def __call__(self, *job):
        self.jobs.append(job)


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def scene(queue, now, django_capture_on_commit_callbacks):
    """Run an act as of `now`, with what it does after the commit."""

    def act(service, user, *args, **named):
        with django_capture_on_commit_callbacks(execute=True):
            return service(
                user, *args, client_address="192.0.2.7", enqueue=queue, **{"now": now} | named
            )

    return act


def offered(scene, owner, name, **named):
    return scene(offer_view, owner, name, **{"ends_at": None} | named)


def live(now):
    return set(Delegation.objects.live(now).values_list("user", "viewer"))


def test_somebody_looks_from_his_acceptance_on(scene, alice, bob, now, queue):
    row = offered(scene, alice, f" {bob.public_id.lower()} ")
    assert (row.invited, row.viewer) == (bob.public_id, bob)
    assert not live(now)
    scene(accept_view, bob, row.pk)
    scene(accept_view, bob, row.pk)
    assert live(now) == {(alice.pk, bob.pk)}
    assert queue.jobs == [(row.pk, "offered"), (row.pk, "accepted")]
    events = AuditEvent.objects.order_by("pk").values_list("kind", "actor", "on_behalf_of")
    assert list(events) == [
        ("view_offer", alice.pk, alice.pk),
        ("view_accept", bob.pk, alice.pk),
    ]


def test_nothing_tells_whether_anybody_has_the_name(scene, alice, bob, queue):
    known = offered(scene, alice, bob.email.upper())
    unknown = offered(scene, alice, "nobody@example.com")
    shown = [(row.accepted_at, row.ends_at, row.revoked_at) for row in (known, unknown)]
    assert shown[0] == shown[1]
    assert [what for _, what in queue.jobs] == ["offered", "offered"]
    details = AuditEvent.objects.order_by("pk").values_list("kind", "detail")
    assert list(details) == [
        ("view_offer", {"invited": "bob@example.com"}),
        ("view_offer", {"invited": "nobody@example.com"}),
    ]
    for row in (known, unknown):
        scene(revoke_view, alice, row.pk)
    assert [what for _, what in queue.jobs] == ["offered", "offered"]
    for name in (bob.email, "nobody@example.com"):
        offered(scene, alice, name)
        with pytest.raises(InvalidInput, match="already"):
            offered(scene, alice, name)


def test_declining_looks_like_not_answering(scene, alice, bob, queue):
    row = offered(scene, alice, bob.email)
    scene(leave_view, bob, row.pk)
    row.refresh_from_db()
    assert (row.viewer, row.accepted_at, row.revoked_at) == (None, None, None)
    assert [what for _, what in queue.jobs] == ["offered"]
    assert not AuditEvent.objects.filter(on_behalf_of=alice, kind="view_decline").exists()
    with pytest.raises(NotFound):
        scene(accept_view, bob, row.pk)


def test_one_who_joins_later_under_the_name_gets_nothing(scene, alice, now):
    row = offered(scene, alice, "carol@example.com")
    carol = User.objects.create_user("carol@example.com", joined_at=now)
    with pytest.raises(NotFound):
        scene(accept_view, carol, row.pk)


@pytest.mark.parametrize("who", ["owner", "viewer"])
def test_both_can_end_it(scene, alice, bob, now, queue, who):
    row = offered(scene, alice, bob.email)
    scene(accept_view, bob, row.pk)
    if who == "owner":
        scene(revoke_view, alice, row.pk)
    else:
        scene(leave_view, bob, row.pk)
    assert not live(now)
    assert queue.jobs[-1] == (row.pk, "revoked" if who == "owner" else "left")
    assert AuditEvent.objects.order_by("pk").last().on_behalf_of == alice


def test_nobody_else_accepts_leaves_or_takes_back(scene, alice, bob, staff, now):
    row = offered(scene, alice, bob.email)
    for service, person in (
        (accept_view, staff),
        (accept_view, alice),
        (leave_view, staff),
        (revoke_view, bob),
        (revoke_view, staff),
    ):
        with pytest.raises(NotFound):
            scene(service, person, row.pk)
    row.refresh_from_db()
    assert (row.accepted_at, row.revoked_at, row.viewer) == (None, None, bob)


def test_it_ends_with_its_day(scene, alice, bob, now):
    end = now + timedelta(days=1)
    row = offered(scene, alice, bob.email, ends_at=end)
    scene(accept_view, bob, row.pk)
    assert live(end - timedelta(microseconds=1))
    assert not live(end)
    again = offered(scene, alice, bob.email, now=end)
    assert again.pk != row.pk


def test_a_suspended_owner_is_not_looked_at(scene, alice, bob, now):
    row = offered(scene, alice, bob.email)
    scene(accept_view, bob, row.pk)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert not live(now)


@pytest.mark.parametrize("name", ["", "x", "alice@example.com", "x" * 255])
def test_odd_names_are_refused(scene, alice, name):
    with pytest.raises(InvalidInput):
        offered(scene, alice, name)
    assert not Delegation.objects.exists()


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-1), LONGEST + timedelta(1)])
def test_odd_ends_are_refused(scene, alice, bob, now, ahead):
    with pytest.raises(InvalidInput):
        offered(scene, alice, bob.email, ends_at=now + ahead)
    assert not Delegation.objects.exists()


def test_ten_offers_at_most_are_open(scene, alice):
    for number in range(MOST_OPEN):
        offered(scene, alice, f"p{number}@example.com")
    with pytest.raises(InvalidInput, match="10 people"):
        offered(scene, alice, "one.more@example.com")
    assert Delegation.objects.count() == MOST_OPEN == 10


def test_the_mails(scene, alice, bob):
    row = offered(scene, alice, bob.email)
    mail_delegation(row.pk, "offered")
    assert [each.to for each in mail.outbox] == [[alice.email], [bob.email]]
    assert bob.public_id not in mail.outbox[0].body
    scene(accept_view, bob, row.pk)
    mail_delegation(row.pk, "accepted")
    assert bob.public_id in mail.outbox[2].body
    unknown = offered(scene, alice, "nobody@example.com")
    mail.outbox.clear()
    mail_delegation(unknown.pk, "offered")
    assert [each.to for each in mail.outbox] == [[alice.email]]
    for what in ("revoked", "left"):
        mail_delegation(row.pk, what)
    assert len(mail.outbox) == 5
