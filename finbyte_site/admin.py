"""Acts of staff that reach over several apps."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin import UserAdmin
from accounts.admin_base import note_act
from accounts.domain.client_address import client_address
from accounts.models import User
from finbyte_site.suspension import reinstate_user, suspend_user
from market.admin import InstrumentAdmin
from market.models import Instrument
from portfolio.admin.kill import KillActionsAdmin, ReasonActionForm, reason_of
from portfolio.models import KillSwitch

admin.site.unregister(User)
admin.site.unregister(Instrument)


@admin.register(User)
class ActingUserAdmin(KillActionsAdmin, UserAdmin):
    """Users, with suspending and stopping their trading."""

    actions = ("suspend", "activate", "stop_trading", "allow_trading")

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return the stop of the user."""
        return KillSwitch.Scope.USER, row.pk, row

    @admin.action(description="Suspend: no log-in, no trading", permissions=["change"])
    def suspend(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Suspend the users; never oneself, and superusers only by superusers."""
        own = [user for user in users if self._may_suspend(request, user)]
        self._act(request, own, act=suspend_user, done="suspended")

    @admin.action(description="Activate: log-in again", permissions=["change"])
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let the users in again."""
        self._act(request, list(users), act=reinstate_user, done="activated")

    def _may_suspend(self, request: HttpRequest, user: User) -> bool:
        actor = cast("User", request.user)
        if user.pk == actor.pk or (user.is_superuser and not actor.is_superuser):
            self.message_user(request, f"You cannot suspend {user}.", messages.ERROR)
            return False
        return True

    def _act(
        self, request: HttpRequest, users: list[User], *, act: Callable[..., bool], done: str
    ) -> None:
        reason = reason_of(request)
        if not reason:
            self.message_user(request, "Write a reason first.", messages.ERROR)
            return
        changed = sum(
            act(
                user,
                actor=request.user,
                reason=reason,
                client_address=client_address(request.META),
                now=timezone.now(),
            )
            for user in users
        )
        self.message_user(request, f"{changed} of {len(users)} {done}.")


@admin.register(Instrument)
class ActingInstrumentAdmin(InstrumentAdmin):
    """Instruments, with closing one to new orders."""

    action_form = ReasonActionForm
    actions = ("close_to_orders", "open_to_orders")

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Allow those who may change instruments."""
        return request.user.has_perm("market.change_instrument")

    @admin.action(description="Take no new orders", permissions=["close"])
    def close_to_orders(self, request: HttpRequest, instruments: QuerySet[Instrument]) -> None:
        """Make the instruments watch-only."""
        self._set_tradable(request, instruments, tradable=False)

    @admin.action(description="Take new orders", permissions=["close"])
    def open_to_orders(self, request: HttpRequest, instruments: QuerySet[Instrument]) -> None:
        """Make the instruments tradable; an index has no venue and stays as it is."""
        self._set_tradable(request, instruments.exclude(segment="INDICES"), tradable=True)

    def _set_tradable(
        self, request: HttpRequest, instruments: QuerySet[Instrument], *, tradable: bool
    ) -> None:
        reason = reason_of(request)
        if not reason:
            self.message_user(request, "Write a reason first.", messages.ERROR)
            return
        changed = 0
        with transaction.atomic():
            for row in instruments.select_for_update().filter(is_tradable=not tradable):
                Instrument.objects.filter(pk=row.pk).update(is_tradable=tradable)
                note_act(
                    request,
                    "instrument_open" if tradable else "instrument_close",
                    target=row.symbol,
                    detail={"reason": reason},
                )
                changed += 1
        self.message_user(request, f"{changed} changed.")
