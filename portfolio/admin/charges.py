"""The rates of Indian equity trades, added to and never changed, and who is charged by them."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin_base import AuditedAdmin, ReasonedActsAdmin, note_act, reason_of
from portfolio.domain.account_fees import FeeKind
from portfolio.domain.charges import Rates
from portfolio.exceptions import AccountRefused
from portfolio.models import ChargeRates, VenueAccount
from portfolio.services.charges import set_fee_kind

if TYPE_CHECKING:
    _RatesForm = forms.ModelForm[ChargeRates]
else:
    _RatesForm = forms.ModelForm


class ChargeRatesForm(_RatesForm):
    """Rates that begin some time from now: what has traded was charged already."""

    class Meta:
        model = ChargeRates
        fields = "__all__"

    def clean_valid_from(self) -> Any:
        """Refuse a moment that is over."""
        moment = self.cleaned_data["valid_from"]
        if moment <= timezone.now():
            raise ValidationError("Rates begin in the future: trades of the past were charged.")
        return moment


@admin.register(ChargeRates)
class ChargeRatesAdmin(AuditedAdmin):
    """Rates by exchange and segment; the newest one that has begun counts."""

    form = ChargeRatesForm
    list_display = (
        "exchange",
        "segment",
        "valid_from",
        *(each.name for each in fields(Rates)),
        "source",
    )
    list_filter = ("exchange", "segment")
    ordering = ("exchange", "segment", "-valid_from", "-pk")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a new row follows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was charged must stay explained."""
        return False


class FeeKindActsAdmin(ReasonedActsAdmin):
    """A list of accounts with the acts that choose how they are charged; both need a reason."""

    @admin.action(description="Charge as Indian equities are", permissions=["administrate"])
    def charge_indian(self, request: HttpRequest, rows: QuerySet[VenueAccount]) -> None:
        """Charge the accounts item by item from now on."""
        self._charge(request, rows, FeeKind.INDIAN_EQUITY)

    @admin.action(description="Charge the flat paper fee", permissions=["administrate"])
    def charge_flat(self, request: HttpRequest, rows: QuerySet[VenueAccount]) -> None:
        """Charge the accounts the flat rate of paper from now on."""
        self._charge(request, rows, FeeKind.FLAT)

    def _charge(self, request: HttpRequest, rows: QuerySet[VenueAccount], kind: FeeKind) -> None:
        if not self.reason_or_complaint(request):
            return
        changed = 0
        for account in rows.select_related("user"):
            try:
                changed += _switch(request, account, kind)
            except AccountRefused as error:
                self.message_user(request, f"{error}.", messages.ERROR)
        self.message_user(request, f"Charged differently from now on: {changed}.")


def _switch(request: HttpRequest, account: VenueAccount, kind: FeeKind) -> bool:
    with transaction.atomic():
        changed = set_fee_kind(account, kind, now=timezone.now())
        if changed:
            note_act(
                request,
                "fee_kind",
                target=f"venue account {account.pk}",
                detail={"kind": kind.value, "reason": reason_of(request)},
                on_behalf_of=account.user,
            )
    return changed
