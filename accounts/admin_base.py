"""What the admin pages of every app over accounts share: reading only, and notes of every act."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from unfold.paginator import InfinitePaginator

from accounts.domain.client_address import client_address
from accounts.domain.roles import Role
from accounts.models import User
from accounts.services import audit

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.helpers import ActionForm

    BaseAdmin = ModelAdmin[Any]
    BaseInline = TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as BaseAdmin
    from unfold.admin import TabularInline as BaseInline
    from unfold.forms import ActionForm

_FIELD_LOOK = "rounded-default bg-white/20 px-2 py-1 text-current placeholder-white/70 min-w-0"


def note_act(
    request: HttpRequest,
    kind: str,
    *,
    target: str,
    detail: dict[str, Any] | None = None,
    on_behalf_of: User | None = None,
) -> None:
    """Record what a member of staff has done."""
    audit.record(
        actor=cast("User", request.user),
        kind=kind,
        target=target[:120],
        detail=detail,
        on_behalf_of=on_behalf_of,
        client_address=client_address(request.META),
        now=timezone.now(),
    )


def target_of(row: Model) -> str:
    """Return how the audit log names a row."""
    return f"{row._meta.label_lower} {row.pk}"  # noqa: SLF001 - Django's public name for it


def acting_field(words: str, *, max_length: int) -> forms.CharField:
    """Return a field that stands beside the list of acts."""
    look = {"placeholder": words, "aria-label": words, "class": _FIELD_LOOK, "autocomplete": "off"}
    return forms.CharField(
        label="", required=False, max_length=max_length, widget=forms.TextInput(attrs=look)
    )


class ReasonActionForm(ActionForm):
    """The list of acts, with a reason beside it for the audit log."""

    reason = acting_field("Reason", max_length=200)


def reason_of(request: HttpRequest) -> str:
    """Return the reason that was typed, at most as long as we keep it."""
    return request.POST.get("reason", "").strip()[:200]


class StaffAdmin(BaseAdmin):
    """Pages whose lists are filtered by their filters only.

    Django would filter by any column that an address names: one that is not shown could be
    guessed letter by letter.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the fields of the list's filters."""
        names = [each for each in self.list_filter if isinstance(each, str)]
        return any(lookup == name or lookup.startswith(f"{name}__") for name in names)


class ReasonedActsAdmin(StaffAdmin):
    """A list with acts that need a reason."""

    action_form = ReasonActionForm

    def has_administrate_permission(self, request: HttpRequest) -> bool:
        """Allow administrators."""
        return cast("User", request.user).role == Role.ADMINISTRATOR

    def reason_or_complaint(self, request: HttpRequest) -> str:
        """Return the reason; where there is none, say that one is needed."""
        reason = reason_of(request)
        if not reason:
            self.message_user(request, "Write a reason first.", messages.ERROR)
        return reason


class ReadOnlyAdmin(StaffAdmin):
    """Rows that staff may look at and nobody edits here."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class LongReadOnlyAdmin(ReadOnlyAdmin):
    """A table without end: its rows are never counted for a page."""

    paginator = InfinitePaginator


class ReadOnlyInline(BaseInline):
    """Rows shown under the row that they belong to."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class AuditedAdmin(StaffAdmin):
    """Rows that staff may edit; every edit goes into the audit log."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Note a new row."""
        note_act(request, "admin_add", target=target_of(obj), detail={"row": str(obj)})
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Note what was changed."""
        note_act(request, "admin_change", target=target_of(obj), detail={"change": message})
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        """Note what is going to be gone."""
        for row in queryset:
            note_act(request, "admin_delete", target=target_of(row), detail={"row": str(row)})
        return super().log_deletions(request, queryset)  # type: ignore[arg-type]
