"""Log in and out."""

from typing import Any

from django.contrib.auth import logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from accounts.domain.client_address import client_address
from accounts.forms import LogInForm, style_fields
from accounts.models import User
from accounts.services import access
from accounts.views.limits import LOG_IN_RATES, limited


@method_decorator(limited("log_in", LOG_IN_RATES), name="dispatch")
class LogInView(LoginView):
    """Log in by e-mail and password. The session gets a new key (Django's `login`)."""

    template_name = "registration/log_in.html"
    redirect_authenticated_user = True
    form_class = LogInForm

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form in the look of the console."""
        form = super().get_form(form_class)
        style_fields(form)
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the user in and note it."""
        response = super().form_valid(form)
        access.record_log_in(
            form.get_user(),
            client_address=client_address(self.request.META),
            now=timezone.now(),
        )
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Note who was refused; what was typed in place of an address is not kept."""
        email = form.cleaned_data.get("username")
        if email:
            access.record_log_in_refused(
                email, client_address=client_address(self.request.META), now=timezone.now()
            )
        return super().form_invalid(form)


@require_POST
def log_out(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    if isinstance(request.user, User):
        access.record_log_out(
            request.user, client_address=client_address(request.META), now=timezone.now()
        )
    logout(request)
    return redirect("accounts:log-in")
