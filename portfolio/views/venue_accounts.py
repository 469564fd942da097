"""Accounts at venues: what there is, what each may do, and keys going in; none comes out."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.domain.client_address import client_address
from accounts.domain.step_up import Strength
from accounts.forms import style_fields
from accounts.services.sessions import stamp_of
from accounts.views.limits import Rate, limited
from accounts.views.step_up import requires_factor
from market.exceptions import VenueUnavailable
from portfolio.domain.compliance import rules_of
from portfolio.domain.connections import CONNECTIONS, Connection, connection_of
from portfolio.exceptions import AccountNotFound, AccountRefused, KeyRefused
from portfolio.forms_venue_accounts import ConnectForm, KeyForm, PaperForm
from portfolio.selectors.venue_accounts import AccountCard, account_card, account_cards
from portfolio.services import compliance, venue_credentials
from portfolio.services.compliance import Act
from portfolio.services.venue_credentials import Wish
from portfolio.views.access import user_of

INVALID = 422
# Each post asks a venue over the network.
KEY_RATES = (Rate("user", "30/h"),)
_UNAVAILABLE = "The key could not be checked now: {reason} Nothing was kept. Try again in a while."
_LIVE_NOW = (
    "A live account is connected. From now on every log-in asks for your second factor, you are "
    "logged out after 30 minutes without input, and every session ends at 06:00 India time."
)


def act_of(request: HttpRequest) -> Act:
    """Return who acts, for whom and from where."""
    stamp = stamp_of(request)
    return Act(
        actor=request.user,  # type: ignore[arg-type]  # behind login_required
        owner=user_of(request),
        client_address=client_address(request.META),
        now=timezone.now(),
        session=None if stamp is None else UUID(stamp.public_id),
    )


@login_required
@require_safe
def venue_account_list(request: HttpRequest) -> HttpResponseBase:
    """Show the user's accounts and what could be connected."""
    page = {
        "cards": account_cards(user_of(request), now=timezone.now()),
        "connections": CONNECTIONS.values(),
    }
    return render(request, "portfolio/venue_accounts.html", page)


@login_required
@require_safe
def venue_account_detail(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Show one account: its rules, its key's whereabouts, its papers."""
    return _detail(request, _card(request, account_id))


@sensitive_post_parameters("key", "secret")
@require_http_methods(["GET", "HEAD", "POST"])
def venue_account_connect(request: HttpRequest, venue: str) -> HttpResponseBase:
    """Connect an account; one with real money needs a second factor that is enrolled."""
    connection = connection_of(venue)
    if connection is None:
        raise Http404(f"There is no venue {venue}.")
    guarded = requires_factor(enrolled=connection.is_live)(_connect)
    return guarded(request, connection=connection)


@limited("venue_key", KEY_RATES)
def _connect(request: HttpRequest, *, connection: Connection) -> HttpResponseBase:
    form = ConnectForm(request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        wish = Wish(
            connection=connection,
            name=form.cleaned_data["name"],
            profile=form.profile,
            credentials=form.credentials,
            papers=form.papers,
        )
        act = act_of(request)
        account = _tried(form, lambda: venue_credentials.connect_account(wish, act=act))
        if account is not None:
            if connection.is_live:
                messages.warning(request, _LIVE_NOW)
            messages.success(request, f"{account.name} is connected.")
            return redirect("portfolio:venue-account-detail", account.pk)
    style_fields(form)
    page = {
        "form": form,
        "connection": connection,
        "profiles": [rules_of(each) for each in connection.profiles],
    }
    status = INVALID if form.errors else 200
    return render(request, "portfolio/venue_account_connect.html", page, status=status)


@sensitive_post_parameters("key", "secret")
@requires_factor()
@limited("venue_key", KEY_RATES)
@require_http_methods(["GET", "HEAD", "POST"])
def venue_account_key(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Store another key in place of the present one."""
    card = _card(request, account_id)
    if card.connection is None:
        raise Http404(f"There is no connected account {account_id}.")
    form = KeyForm(request.POST or None, connection=card.connection)
    if request.method == "POST" and form.is_valid():
        credentials, act = form.credentials, act_of(request)
        account = _tried(
            form, lambda: venue_credentials.replace_key(account_id, credentials, act=act)
        )
        if account is not None:
            messages.success(request, "The new key is stored; the old one is gone.")
            return redirect("portfolio:venue-account-detail", account_id)
    style_fields(form)
    page = {"form": form, "card": card}
    status = INVALID if form.errors else 200
    return render(request, "portfolio/venue_account_key.html", page, status=status)


@requires_factor()
@require_POST
def venue_account_key_remove(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Forget the key."""
    try:
        venue_credentials.remove_key(account_id, act=act_of(request))
    except AccountNotFound as error:
        raise Http404(str(error)) from error
    messages.success(request, "The key is gone from here. Delete it at the venue as well.")
    return redirect("portfolio:venue-account-detail", account_id)


@requires_factor(Strength.SESSION_FACTOR)
@limited("venue_key", KEY_RATES)
@require_POST
def venue_account_check(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Ask the venue again what the stored key may do."""
    try:
        report = venue_credentials.check_again(account_id, act=act_of(request))
    except AccountNotFound as error:
        raise Http404(str(error)) from error
    except AccountRefused as error:
        messages.error(request, str(error))
    except VenueUnavailable as error:
        messages.warning(request, f"The key could not be checked now: {error}")
    else:
        messages.info(request, report.words)
    return redirect("portfolio:venue-account-detail", account_id)


@requires_factor(enrolled=True)
@require_POST
def venue_account_paper(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Put a paper on record."""
    card = _card(request, account_id)
    form = PaperForm(request.POST, profile=card.account.compliance_profile)
    if form.is_valid():
        paper, act = form.paper, act_of(request)
        if _tried(form, lambda: compliance.add_evidence(account_id, paper, act=act)):
            messages.success(request, "It is on record.")
            return redirect("portfolio:venue-account-detail", account_id)
    return _detail(request, card, form=form)


# ------------------------------------------------------------------------------------------ parts


def _card(request: HttpRequest, account_id: int) -> AccountCard:
    try:
        return account_card(user_of(request), account_id, now=timezone.now())
    except AccountNotFound as error:
        raise Http404(str(error)) from error


def _detail(
    request: HttpRequest, card: AccountCard, *, form: PaperForm | None = None
) -> HttpResponseBase:
    if form is None and card.rules.evidence:
        form = PaperForm(profile=card.account.compliance_profile)
    if form is not None:
        style_fields(form)
    page = {"card": card, "form": form}
    status = INVALID if form is not None and form.errors else 200
    return render(request, "portfolio/venue_account.html", page, status=status)


def _tried(form: Any, act: Callable[[], Any]) -> Any:
    """Return what the act returns; where it is refused, tell the form why and return None."""
    try:
        return act()
    except AccountNotFound as error:
        raise Http404(str(error)) from error
    except AccountRefused as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
    except KeyRefused as error:
        form.add_error("key", str(error))
    except VenueUnavailable as error:
        form.add_error(None, _UNAVAILABLE.format(reason=error))
    return None
