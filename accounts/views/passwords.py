"""Forgotten and changed passwords."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.domain.step_up import Strength
from accounts.exceptions import TooManyGuesses
from accounts.forms import ChangePasswordForm, NewPasswordForm, ResetRequestForm, style_fields
from accounts.models import User
from accounts.selectors import has_second_factor
from accounts.services.factor_changes import Act
from accounts.services.log_in import has_password
from accounts.services.notices import Enqueue
from accounts.services.passwords import set_password
from accounts.services.sessions import stamp_of, write_stamp
from accounts.views.acts import act_of, own_user
from accounts.views.limits import PASSWORD_RATES, RESET_RATES, limited, too_many
from accounts.views.step_up import lead_to, page_to_confirm


@limited("password_reset", RESET_RATES)
def password_reset(request: HttpRequest, *, enqueue: Callable[[str], object]) -> HttpResponseBase:
    """Ask for a reset link. The answer is the same whether the address is known or not."""
    form = ResetRequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        enqueue(form.cleaned_data["email"])
        return redirect("accounts:password-reset-sent")
    style_fields(form)
    return render(request, "registration/password_reset.html", {"form": form})


def password_reset_sent(request: HttpRequest) -> HttpResponseBase:
    """Say what happens next."""
    return render(request, "registration/password_reset_sent.html")


class ResetConfirmView(PasswordResetConfirmView):
    """Set a new password through a mailed link, which works once. All sessions end.

    It lets nobody in: the log-in that follows asks for the second factor as ever.
    """

    template_name = "registration/password_reset_confirm.html"
    form_class = NewPasswordForm

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form in the look of the console."""
        form = super().get_form(form_class)
        style_fields(form)
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password and lead to the log-in."""
        act = replace(act_of(self.request, self.kwargs["enqueue"]), session=None)
        set_password(form.user, form.cleaned_data["new_password1"], by_mail=True, act=act)
        # Whoever was logged in here is not any more, and the link's token goes with the session.
        self.request.session.flush()
        messages.success(self.request, "Your new password is set. Log in with it.")
        return redirect("accounts:log-in")


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limited("password_change", PASSWORD_RATES)
def change_password(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Change the password with the old one, and with the second factor where there is one.

    Other sessions of the user end, this one goes on under a new key.
    """
    user = User.objects.get(pk=own_user(request).pk)
    if has_second_factor(user):
        page = page_to_confirm(request, strength=Strength.FRESH_FACTOR)
        if page is not None:
            return lead_to(request, page)
    form = ChangePasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            act = act_of(request, enqueue)
            if _changed(request, user, form, act=act):
                messages.success(
                    request,
                    "Your password is changed. Other browsers and programs have been logged out.",
                )
                return redirect("accounts:profile")
        except TooManyGuesses as refusal:
            return too_many(request, seconds=refusal.seconds)
    style_fields(form)
    return render(request, "registration/password_change.html", {"form": form})


def _changed(request: HttpRequest, user: User, form: ChangePasswordForm, *, act: Act) -> bool:
    """Set the password if the old one is right, and let this session go on."""
    if not has_password(request, user, form.cleaned_data["old_password"], now=act.now):
        form.add_error("old_password", "This is not your password.")
        return False
    set_password(user, form.cleaned_data["new_password1"], by_mail=False, act=act)
    update_session_auth_hash(request, user)
    stamp = stamp_of(request)
    if stamp is not None:
        write_stamp(request, replace(stamp, device_id=None, password_at=act.now, seen_at=act.now))
    return True
