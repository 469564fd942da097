"""Money: what is free, what open orders hold, and how it got there."""

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from market.domain.formatting import plain
from portfolio.models import VenueAccount
from portfolio.selectors.pages import PAGE_SIZE, Pot, pots_of, statement_of
from portfolio.views.access import positive_int, user_of
from portfolio.views.csv_files import MAX_ROWS, csv_response
from portfolio.views.scope import selected_account, venue_accounts


@dataclass(frozen=True, slots=True)
class AccountFunds:
    """One venue account and the money of its books."""

    account: VenueAccount
    pots: list[Pot]

    @property
    def available(self) -> Decimal:
        """Return what can be used at once, over all books."""
        return sum((pot.available for pot in self.pots), Decimal(0))

    @property
    def held(self) -> Decimal:
        """Return what open orders hold."""
        return sum((pot.held for pot in self.pots), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Return free and held together."""
        return self.available + self.held


def account_funds(request: HttpRequest) -> list[AccountFunds]:
    """Return the shown accounts with their books' money."""
    chosen = selected_account(request)
    accounts = [chosen] if chosen else venue_accounts(request)
    pots = pots_of(user_of(request), account=chosen)
    return [
        AccountFunds(account, [pot for pot in pots if pot.book.venue_account_id == account.pk])
        for account in accounts
    ]


def _statement_account(request: HttpRequest) -> VenueAccount | None:
    accounts = venue_accounts(request)
    wanted = positive_int(request.GET.get("account"))
    if wanted is not None:
        found = next((each for each in accounts if each.pk == wanted), None)
        if found is None:
            raise Http404(f"There is no account {wanted}.")
        return found
    return selected_account(request) or next(iter(accounts), None)


@login_required
@require_GET
def funds(request: HttpRequest) -> HttpResponse:
    """Show the money of each account and the statement of one."""
    account = _statement_account(request)
    before = positive_int(request.GET.get("before"))
    lines = statement_of(account, before=before, limit=PAGE_SIZE + 1) if account else []
    page = {
        "account": account,
        "lines": lines[:PAGE_SIZE],
        "more_before": lines[PAGE_SIZE - 1].transaction_id if len(lines) > PAGE_SIZE else None,
    }
    if before is not None:
        return render(request, "portfolio/_statement_rows.html", page)
    return render(request, "portfolio/funds.html", page | {"funds": account_funds(request)})


@login_required
@require_GET
def statement_csv(request: HttpRequest) -> HttpResponse:
    """Give the statement of an account as a file."""
    account = _statement_account(request)
    if account is None:
        raise Http404("There is no account.")
    lines = statement_of(account, limit=MAX_ROWS)
    rows = [
        [
            line.at.isoformat(),
            line.kind,
            line.ref,
            line.book,
            plain(line.amount),
            plain(line.balance),
            account.settlement_asset,
        ]
        for line in lines
    ]
    header = ("at", "kind", "ref", "book", "amount", "balance", "asset")
    return csv_response(f"finbyte-statement-{account.pk}", header=header, rows=rows)
