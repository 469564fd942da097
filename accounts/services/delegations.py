"""Letting somebody look at one's account: offered by the owner, accepted by the viewer."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.exceptions import InvalidInput, NotFound
from accounts.models import Delegation, User
from accounts.services import audit
from accounts.services.users import lock_user
from accounts.session_store import announce_ends

MOST_OPEN = 10
LONGEST = timedelta(days=366)

_SUBJECTS = {True: "Who may see your FinByte account", False: "Seeing another FinByte account"}

# What a door passes: puts (delegation id, what happened) into the mailing task's queue.
Enqueue = Callable[[int, str], object]


def offer_view(
    user: User,
    invited: str,
    *,
    ends_at: datetime | None,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> Delegation:
    """Let somebody look, named by e-mail or public id, once he accepts.

    What the owner sees is the same whether anybody has that name or not.
    """
    name = _plain(invited)
    _refuse_odd(user, name, ends_at, now=now)
    try:
        with transaction.atomic():
            lock_user(user.pk)
            if Delegation.objects.for_user(user).open(now).count() >= MOST_OPEN:
                raise InvalidInput(
                    f"You can let {MOST_OPEN} people look. Take one back first.", field="invited"
                )
            # One that is over must not stand in the way of a new one.
            Delegation.objects.for_user(user).filter(
                invited=name, revoked_at=None, ends_at__lte=now
            ).update(revoked_at=now)
            found = _named(name)
            row = Delegation.objects.create(
                user=user, invited=name, viewer=found, given_at=now, ends_at=ends_at
            )
            transaction.on_commit(lambda: enqueue(row.pk, "offered"), robust=True)
            _record(row, user, "view_offer", client_address=client_address, now=now)
    except IntegrityError as error:
        raise InvalidInput(f"You have asked {name} already.", field="invited") from error
    return row


def accept_view(
    viewer: User,
    delegation_id: int,
    *,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> Delegation:
    """Take up an offer; the owner is told who did."""
    with transaction.atomic():
        row = _of_viewer(viewer, delegation_id, now=now)
        if row.accepted_at is None:
            row.accepted_at = now
            row.save(update_fields=["accepted_at"])
            transaction.on_commit(lambda: enqueue(row.pk, "accepted"), robust=True)
            _record(row, viewer, "view_accept", client_address=client_address, now=now)
    return row


def revoke_view(
    user: User,
    delegation_id: int,
    *,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> Delegation:
    """Take back what the owner has given; it counts from the viewer's next request on."""
    with transaction.atomic():
        row = (
            Delegation.objects.for_user(user)
            .select_for_update(of=("self",))
            .filter(pk=delegation_id, revoked_at=None)
            .first()
        )
        return _end(row, user, "revoked", client_address=client_address, enqueue=enqueue, now=now)


def leave_view(
    viewer: User,
    delegation_id: int,
    *,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> None:
    """Give up looking; or decline an offer, which its owner cannot tell from an unread one."""
    with transaction.atomic():
        row = _of_viewer(viewer, delegation_id, now=now)
        if row.accepted_at is not None:
            _end(row, viewer, "left", client_address=client_address, enqueue=enqueue, now=now)
            return
        row.viewer = None
        row.save(update_fields=["viewer"])
        audit.record(
            actor=viewer,
            kind="view_decline",
            target=f"delegation {row.pk}",
            client_address=client_address,
            now=now,
        )


def mail_delegation(delegation_id: int, what: str) -> None:
    """Tell the owner and, where there is one, the viewer what happened."""
    row = Delegation.objects.select_related("user", "viewer").get(pk=delegation_id)
    for person in (row.user, row.viewer):
        if person is None:
            continue
        is_owner = person.pk == row.user_id
        context = {
            "what": what,
            "person": person,
            "is_owner": is_owner,
            "owner": row.user,
            "viewer": row.viewer if row.accepted_at else None,
            "invited": row.invited,
            "link": settings.PUBLIC_URL + reverse("accounts:viewer-list"),
        }
        subject = _SUBJECTS[is_owner]
        text = render_to_string("emails/viewer.txt", context)
        send_mail(subject, text, None, [person.email])


def _plain(invited: str) -> str:
    """Return the name as it is kept: e-mails in small letters, public ids in capitals."""
    name = invited.strip()
    return name.lower() if "@" in name else name.upper()


def _named(name: str) -> User | None:
    found = User.objects.with_email(name) if "@" in name else User.objects.filter(public_id=name)
    return found.filter(is_active=True).first()


def _refuse_odd(user: User, name: str, ends_at: datetime | None, *, now: datetime) -> None:
    if not 3 <= len(name) <= 254:
        raise InvalidInput("Enter an e-mail address or a user id like FB0007.", field="invited")
    if name in {user.email.lower(), user.public_id}:
        raise InvalidInput("That is you.", field="invited")
    if ends_at is not None and not now < ends_at <= now + LONGEST:
        raise InvalidInput("Choose a day within the next 366 days.", field="ends_on")


def _of_viewer(viewer: User, delegation_id: int, *, now: datetime) -> Delegation:
    row = (
        Delegation.objects.open(now)
        .select_for_update(of=("self",))
        .filter(pk=delegation_id, viewer=viewer)
        .first()
    )
    if row is None:
        raise NotFound("There is no such offer.")
    return row


def _end(
    row: Delegation | None,
    actor: User,
    what: str,
    *,
    client_address: str | None,
    enqueue: Enqueue,
    now: datetime,
) -> Delegation:
    if row is None:
        raise NotFound("There is nobody of this kind.")
    row.revoked_at = now
    row.save(update_fields=["revoked_at"])
    # Without an acceptance nothing tells whether anybody has the name, no mail either.
    if row.accepted_at is not None:
        transaction.on_commit(lambda: enqueue(row.pk, what), robust=True)
        announce_ends([row.user_id])
    kind = "view_revoke" if what == "revoked" else "view_leave"
    _record(row, actor, kind, client_address=client_address, now=now)
    return row


def _record(
    row: Delegation, actor: User, kind: str, *, client_address: str | None, now: datetime
) -> None:
    """Note it under the owner's account; whether anybody has the name is not part of it."""
    audit.record(
        actor=actor,
        kind=kind,
        target=f"delegation {row.pk}",
        detail={"invited": row.invited},
        on_behalf_of=row.user,
        client_address=client_address,
        now=now,
    )
