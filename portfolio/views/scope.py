"""Which venue account a page is about: the one chosen in the top bar, or all of them."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from market.domain.enums import AccountMode
from portfolio.models import VenueAccount
from portfolio.selectors.pages import accounts_of
from portfolio.views.access import user_of

SESSION_KEY = "venue_account"
_MOST_AT_STAKE_FIRST = (AccountMode.LIVE, AccountMode.TESTNET, AccountMode.PAPER)


def venue_accounts(request: HttpRequest) -> list[VenueAccount]:
    """Return the user's venue accounts, read once per request."""
    found = getattr(request, "finbyte_accounts", None)
    if found is None:
        found = list(accounts_of(user_of(request)))
        request.finbyte_accounts = found  # type: ignore[attr-defined]
    return cast("list[VenueAccount]", found)


def selected_account(request: HttpRequest) -> VenueAccount | None:
    """Return the account chosen in the top bar; None stands for all."""
    wanted = request.session.get(SESSION_KEY)
    if wanted is None:
        return None
    return next((each for each in venue_accounts(request) if each.pk == wanted), None)


def account_mode(request: HttpRequest) -> str:
    """Return the badge: what is at stake on the chosen account, or at most on any of them."""
    chosen = selected_account(request)
    if chosen is not None:
        return chosen.mode
    modes = {each.mode for each in venue_accounts(request)}
    return next((mode for mode in _MOST_AT_STAKE_FIRST if mode in modes), AccountMode.PAPER)


def safe_next(request: HttpRequest) -> str:
    """Return where a form wants to go back to, if that is on this site."""
    address = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()}):
        return address
    return "/console/"


@login_required
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Choose the account that pages are about; a stranger's account changes nothing."""
    wanted = request.POST.get("account", "")
    if any(str(each.pk) == wanted for each in venue_accounts(request)):
        request.session[SESSION_KEY] = int(wanted)
    else:
        request.session.pop(SESSION_KEY, None)
    return redirect(safe_next(request))
