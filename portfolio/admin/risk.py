"""Stops, limits and the send rate."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError

from accounts.admin_base import AuditedAdmin, LongReadOnlyAdmin, ReadOnlyAdmin
from accounts.models import User
from portfolio.admin.kill import KillActionsAdmin
from portfolio.models import Book, KillSwitch, RateSecond, RiskLimit, VenueAccount

if TYPE_CHECKING:
    _LimitForm = forms.ModelForm[RiskLimit]
else:
    _LimitForm = forms.ModelForm


@admin.register(KillSwitch)
class KillSwitchAdmin(KillActionsAdmin, ReadOnlyAdmin):
    """Stops of the platform, users, venue accounts and books; switched by the acts only."""

    list_display = ("scope", "key", "is_active", "reason", "version", "changed_at")
    list_filter = ("is_active", "scope")
    search_fields = ("=key",)
    ordering = ("-is_active", "-pk")

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return the stop itself and whose trading it stops."""
        scope = KillSwitch.Scope(row.scope)
        return scope, row.key, _owner_of(scope, row.key)


def _owner_of(scope: KillSwitch.Scope, key: int) -> User | None:
    match scope:
        case KillSwitch.Scope.USER:
            return User.objects.filter(pk=key).first()
        case KillSwitch.Scope.VENUE_ACCOUNT:
            account = VenueAccount.objects.select_related("user").filter(pk=key).first()
            return account.user if account else None
        case KillSwitch.Scope.BOOK:
            book = Book.objects.select_related("user").filter(pk=key).first()
            return book.user if book else None
        case _:
            return None


class RiskLimitForm(_LimitForm):
    """A limit for one user, one of his accounts or one of his books."""

    class Meta:
        model = RiskLimit
        fields = (
            "user",
            "venue_account",
            "book",
            "max_order_value",
            "max_open_value",
            "max_position_value",
            "max_price_deviation",
        )

    def clean(self) -> dict[str, Any]:
        """Refuse an account or a book of somebody else, and limits that would stop nothing."""
        values = super().clean() or self.cleaned_data
        user, account, book = (values.get(name) for name in ("user", "venue_account", "book"))
        for name, owned in (("venue_account", account), ("book", book)):
            if owned is not None and user is not None and owned.user_id != user.pk:
                self.add_error(name, ValidationError("It belongs to another user."))
        if book is not None and account is not None and book.venue_account_id != account.pk:
            self.add_error("book", ValidationError("It is on another account."))
        for name in self.Meta.fields[3:]:
            value = values.get(name)
            if value is not None and value <= 0:
                self.add_error(name, ValidationError("A limit is above zero; empty is no limit."))
        return values


@admin.register(RiskLimit)
class RiskLimitAdmin(AuditedAdmin):
    """Limits; the tightest one counts."""

    form = RiskLimitForm
    list_display = (
        "id",
        "user",
        "venue_account",
        "book",
        "max_order_value",
        "max_open_value",
        "max_position_value",
        "max_price_deviation",
    )
    list_select_related = ("user", "venue_account", "book")
    raw_id_fields = ("user", "venue_account", "book")
    search_fields = ("=user__public_id", "user__email")
    ordering = ("-pk",)


@admin.register(RateSecond)
class RateSecondAdmin(LongReadOnlyAdmin):
    """How many requests went out in which second."""

    list_display = ("id", "venue_account", "second", "count")
    list_select_related = ("venue_account",)
    search_fields = ("=venue_account__id",)
    ordering = ("-pk",)
