"""Who may look at my account, and at whose accounts I may look."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.domain.client_address import client_address
from accounts.exceptions import InvalidInput, NotFound
from accounts.forms import style_fields
from accounts.forms_viewers import OfferViewForm
from accounts.models import Delegation, User
from accounts.services import delegations
from accounts.services.delegations import Enqueue
from accounts.views.acts import own_user
from accounts.views.limits import Rate, limited
from accounts.views.step_up import requires_factor

OFFER_RATES = (Rate("ip", "20/h"),)
_OFFERED = "{} is asked now, if there is such a user. They see your account only after they accept."


@login_required
@require_GET
def viewers(request: HttpRequest) -> HttpResponse:
    """Show who may see mine, and whose I may see."""
    return _page(request, OfferViewForm())


@limited("viewer_offer", OFFER_RATES)
@requires_factor()
@require_POST
def offer(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Let somebody look once he accepts; the answer is the same whether he exists or not."""
    form = OfferViewForm(request.POST)
    if form.is_valid():
        user, ends_on = own_user(request), form.cleaned_data["ends_on"]
        try:
            row = delegations.offer_view(
                user,
                form.cleaned_data["invited"],
                ends_at=_end_of(ends_on, user) if ends_on else None,
                client_address=client_address(request.META),
                enqueue=enqueue,
                now=timezone.now(),
            )
        except InvalidInput as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, _OFFERED.format(row.invited))
            return redirect("accounts:viewer-list")
    return _page(request, form, status=400)


@login_required
@require_POST
def accept(request: HttpRequest, delegation_id: int, *, enqueue: Enqueue) -> HttpResponse:
    """Take up an offer."""
    return _act(
        request,
        delegations.accept_view,
        delegation_id,
        enqueue=enqueue,
        words="You can look at that account now.",
    )


@login_required
@require_POST
def revoke(request: HttpRequest, delegation_id: int, *, enqueue: Enqueue) -> HttpResponse:
    """Take back what I have given."""
    return _act(
        request,
        delegations.revoke_view,
        delegation_id,
        enqueue=enqueue,
        words="Taken back. They see nothing of your account any more.",
    )


@login_required
@require_POST
def leave(request: HttpRequest, delegation_id: int, *, enqueue: Enqueue) -> HttpResponse:
    """Look no more, or decline."""
    return _act(
        request,
        delegations.leave_view,
        delegation_id,
        enqueue=enqueue,
        words="Done. You do not see that account.",
    )


def _act(
    request: HttpRequest,
    act: Callable[..., object],
    delegation_id: int,
    *,
    enqueue: Enqueue,
    words: str,
) -> HttpResponse:
    try:
        act(
            own_user(request),
            delegation_id,
            client_address=client_address(request.META),
            enqueue=enqueue,
            now=timezone.now(),
        )
    except NotFound as error:
        raise Http404 from error
    messages.success(request, words)
    return redirect("accounts:viewer-list")


def _page(request: HttpRequest, form: OfferViewForm, *, status: int = 200) -> HttpResponse:
    user, now = own_user(request), timezone.now()
    style_fields(form)
    held = Delegation.objects.open(now).filter(viewer=user).select_related("user").order_by("-pk")
    given = Delegation.objects.for_user(user).open(now).select_related("viewer").order_by("-pk")
    page = {"form": form, "given": given, "held": held}
    return render(request, "accounts/viewers.html", page, status=status)


def _end_of(day: date, user: User) -> datetime:
    """Return the end of a day where the owner lives; of the last day there is, its beginning."""
    following = min(day, date.max - timedelta(days=1)) + timedelta(days=1)
    return datetime.combine(following, time(), tzinfo=ZoneInfo(user.time_zone))
