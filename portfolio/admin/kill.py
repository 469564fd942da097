"""Stop trading, and allow it again, from a list of rows."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin_base import ReasonedActsAdmin, note_act, reason_of
from accounts.models import User
from portfolio.models import KillSwitch
from portfolio.services.kill_switches import set_kill


def switch_kill(
    request: HttpRequest,
    scope: KillSwitch.Scope,
    key: int,
    *,
    active: bool,
    owner: User | None,
) -> bool:
    """Switch one stop and note it; say whether that changed anything."""
    with transaction.atomic():
        changed = set_kill(scope, key, active=active, reason=reason_of(request), now=timezone.now())
        if changed:
            note_act(
                request,
                "kill_on" if active else "kill_off",
                target=f"{scope.value} {key}",
                detail={"reason": reason_of(request)},
                on_behalf_of=owner,
            )
    return changed


class KillActionsAdmin(ReasonedActsAdmin):
    """A list with the acts "stop trading" and "allow trading"; both need a reason."""

    actions: tuple[str, ...] = ("stop_trading", "allow_trading")

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return scope, key and owner of the stop that belongs to the row."""
        raise NotImplementedError

    def has_kill_permission(self, request: HttpRequest) -> bool:
        """Allow those who may change kill switches."""
        return request.user.has_perm("portfolio.change_killswitch")

    @admin.action(description="Stop trading", permissions=["kill"])
    def stop_trading(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Switch the stops of the rows on."""
        self._switch(request, rows, active=True)

    @admin.action(description="Allow trading", permissions=["kill"])
    def allow_trading(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        """Switch the stops of the rows off."""
        self._switch(request, rows, active=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[Model], *, active: bool) -> None:
        if not self.reason_or_complaint(request):
            return
        changed = 0
        for row in rows:
            scope, key, owner = self.kill_target(row)
            changed += switch_kill(request, scope, key, active=active, owner=owner)
        done = "stopped" if active else "allowed again"
        self.message_user(request, f"Trading {done} in {changed} of {len(rows)}.")
