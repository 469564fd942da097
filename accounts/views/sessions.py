"""Where the user is logged in, and the sign that somebody is still there."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.client_address import client_address
from accounts.exceptions import NotFound
from accounts.services import audit
from accounts.services import sessions as session_services
from accounts.views.acts import own_user


@require_safe
@login_required
def sessions(request: HttpRequest) -> HttpResponseBase:
    """Show every browser in which the user is logged in."""
    current = _current(request)
    rows = session_services.live_sessions(own_user(request), now=timezone.now())
    context = {
        "sessions": sorted(rows, key=lambda row: row.public_id != current),
        "current": current,
    }
    return render(request, "accounts/sessions.html", context)


@require_POST
@login_required
def end_session(request: HttpRequest, session_id: UUID) -> HttpResponseBase:
    """Log one browser out."""
    user, now = own_user(request), timezone.now()
    try:
        with transaction.atomic(durable=True):
            session_services.end_session(user, session_id)
            audit.record(
                actor=user,
                kind="session_end",
                target=f"session {session_id}",
                client_address=client_address(request.META),
                now=now,
            )
    except NotFound as error:
        raise Http404 from error
    if session_id == _current(request):
        logout(request)
        return redirect("accounts:log-in")
    messages.success(request, "That browser is logged out.")
    return redirect("accounts:sessions")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponseBase:
    """Log out every browser but this one."""
    user, now = own_user(request), timezone.now()
    with transaction.atomic(durable=True):
        count = session_services.end_sessions(user, keep=_current(request))
        audit.record(
            actor=user,
            kind="sessions_end",
            target=user.public_id,
            detail={"sessions": count},
            client_address=client_address(request.META),
            now=now,
        )
    messages.success(request, f"Logged out in {count} other browser{'' if count == 1 else 's'}.")
    return redirect("accounts:sessions")


@require_POST
@login_required
def present(request: HttpRequest) -> HttpResponseBase:
    """Hear that somebody is at the page; the middleware has noted it."""
    return HttpResponse(status=204)


def _current(request: HttpRequest) -> UUID | None:
    stamp = session_services.stamp_of(request)
    return None if stamp is None else UUID(stamp.public_id)
