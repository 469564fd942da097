"""Acts of staff that reach over several apps."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.admin.users import UserAdmin
from accounts.admin_base import ReasonActionForm, ReasonedActsAdmin, acting_field, note_act
from accounts.domain.client_address import client_address
from accounts.domain.roles import Role
from accounts.exceptions import Refused
from accounts.models import User
from accounts.services.roles import set_role
from accounts.services.staff_acts import distrust_devices, log_out_user, take_off_factors
from accounts.services.viewing import look_as_staff
from accounts.tasks import send_notice
from finbyte_site.suspension import reinstate_user, suspend_user
from market.admin import InstrumentAdmin
from market.models import Instrument
from portfolio.admin.kill import KillActionsAdmin
from portfolio.models import KillSwitch

admin.site.unregister(User)
admin.site.unregister(Instrument)


class UserActionForm(ReasonActionForm):
    """The acts on users; one of them wants its user's id typed."""

    confirmation = acting_field("User id, to take factors off", max_length=12)


@admin.register(User)
class ActingUserAdmin(KillActionsAdmin, UserAdmin):
    """Users, with suspending, roles, log-outs, stops of their trading and a look at their console."""

    action_form = UserActionForm
    actions = (
        "see_console",
        "stop_trading",
        "allow_trading",
        "suspend",
        "activate",
        "log_out_everywhere",
        "revoke_devices",
        "remove_factors",
        *(f"make_{role.lower()}" for role in Role),
    )

    def kill_target(self, row: Any) -> tuple[KillSwitch.Scope, int, User | None]:
        """Return the stop of the user."""
        return KillSwitch.Scope.USER, row.pk, row

    @admin.action(description="See the console as this user", permissions=["view"])
    def see_console(self, request: HttpRequest, users: QuerySet[User]) -> HttpResponse | None:
        """Look at a user's pages for half an hour; nothing can be done there."""
        reason = self.reason_or_complaint(request)
        if not reason:
            return None
        if len(users) != 1:
            self.message_user(request, "Choose one user.", messages.ERROR)
            return None
        try:
            look_as_staff(
                request,
                cast("User", request.user),
                users[0],
                reason=reason,
                now=timezone.now(),
            )
        except Refused as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        return redirect("home")

    @admin.action(description="Suspend: no log-in, no trading", permissions=["administrate"])
    def suspend(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Suspend the users; never oneself."""
        self._act(request, self._others(request, users), act=suspend_user, done="suspended")

    @admin.action(description="Activate: log-in again", permissions=["administrate"])
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let the users in again."""
        self._act(request, list(users), act=reinstate_user, done="activated")

    @admin.action(description="Log out everywhere", permissions=["administrate"])
    def log_out_everywhere(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """End every session of the users, in browsers and of apps."""
        self._act(request, list(users), act=log_out_user, done="logged out")

    @admin.action(description="Revoke trusted devices", permissions=["administrate"])
    def revoke_devices(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Trust none of the users' devices any more."""
        self._act(request, list(users), act=distrust_devices, done="without trusted devices")

    @admin.action(description="Take off a lost second factor", permissions=["administrate"])
    def remove_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Take off what a user has lost, after his id was typed; his live trading waits a day."""
        typed = request.POST.get("confirmation", "").strip().upper()
        if [user.public_id for user in users] != [typed]:
            words = "Choose one user and type his user id beside the reason."
            self.message_user(request, words, messages.ERROR)
            return
        act = partial(take_off_factors, enqueue=send_notice.delay)
        self._act(request, list(users), act=act, done="without second factor")

    @admin.action(description="Role: user", permissions=["administrate"])
    def make_user(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Take every right from the users."""
        self._give_role(request, users, Role.USER)

    @admin.action(description="Role: support", permissions=["administrate"])
    def make_support(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let the users look."""
        self._give_role(request, users, Role.SUPPORT)

    @admin.action(description="Role: risk officer", permissions=["administrate"])
    def make_risk_officer(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let the users look, limit and stop."""
        self._give_role(request, users, Role.RISK_OFFICER)

    @admin.action(description="Role: administrator", permissions=["administrate"])
    def make_administrator(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Let the users do everything here."""
        self._give_role(request, users, Role.ADMINISTRATOR)

    def _give_role(self, request: HttpRequest, users: QuerySet[User], role: Role) -> None:
        self._act(request, list(users), act=partial(_set_role, role=role), done="changed")

    def _others(self, request: HttpRequest, users: QuerySet[User]) -> list[User]:
        for user in users:
            if user.pk == request.user.pk:
                self.message_user(request, f"You cannot suspend {user}.", messages.ERROR)
        return [user for user in users if user.pk != request.user.pk]

    def _act(
        self, request: HttpRequest, users: list[User], *, act: Callable[..., bool], done: str
    ) -> None:
        reason = self.reason_or_complaint(request)
        if not reason:
            return
        changed = 0
        for user in users:
            try:
                changed += act(
                    user,
                    actor=request.user,
                    reason=reason,
                    client_address=client_address(request.META),
                    now=timezone.now(),
                )
            except Refused as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, f"{changed} of {len(users)} {done}.")


def _set_role(user: User, *, role: Role, **act: Any) -> bool:
    return set_role(user, role, **act)


@admin.register(Instrument)
class ActingInstrumentAdmin(ReasonedActsAdmin, InstrumentAdmin):
    """Instruments, with closing one to new orders."""

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
        reason = self.reason_or_complaint(request)
        if not reason:
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
