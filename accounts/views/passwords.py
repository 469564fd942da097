"""Forgotten and changed passwords."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone

from accounts.domain.client_address import client_address
from accounts.forms import ChangePasswordForm, NewPasswordForm, ResetRequestForm, style_fields
from accounts.services import access
from accounts.views.limits import RESET_RATES, limited


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
    """Set a new password through a mailed link, which works once. Open sessions end."""

    template_name = "registration/password_reset_confirm.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("accounts:log-in")

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form in the look of the console."""
        form = super().get_form(form_class)
        style_fields(form)
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password, note it and lead to the log-in."""
        response = super().form_valid(form)
        access.record_password_change(
            form.user,
            by_mail=True,
            client_address=client_address(self.request.META),
            now=timezone.now(),
        )
        messages.success(self.request, "Your new password is set. Log in with it.")
        return response


class ChangePasswordView(PasswordChangeView):
    """Change the password. Other sessions of the user end, this one goes on."""

    template_name = "registration/password_change.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("accounts:profile")

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form in the look of the console."""
        form = super().get_form(form_class)
        style_fields(form)
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password and note it."""
        response = super().form_valid(form)
        access.record_password_change(
            form.user,
            by_mail=False,
            client_address=client_address(self.request.META),
            now=timezone.now(),
        )
        messages.success(
            self.request, "Your password is changed. Other browsers have been logged out."
        )
        return response
