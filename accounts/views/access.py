"""Log in and out."""

from django.contrib.auth import logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.domain.client_address import client_address
from accounts.exceptions import TooManyGuesses
from accounts.forms import LogInForm, style_fields
from accounts.models import User
from accounts.services import access
from accounts.services.log_in import LogInOutcome, begin
from accounts.services.notices import Enqueue
from accounts.views.acts import safe_next
from accounts.views.limits import LOG_IN_RATES, limited, too_many


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
@limited("log_in", LOG_IN_RATES)
def log_in(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Log in by e-mail and password; a second factor may have to follow on the next page."""
    page = safe_next(request, request.POST.get("next") or request.GET.get("next"), default="home")
    if request.user.is_authenticated:
        return redirect(page)
    form = LogInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            outcome = begin(
                request,
                form.cleaned_data["username"],
                form.cleaned_data["password"],
                next_page=page,
                now=timezone.now(),
                enqueue=enqueue,
            )
        except TooManyGuesses as refusal:
            return too_many(request, seconds=refusal.seconds)
        if outcome is not LogInOutcome.REFUSED:
            return redirect(_next_step(outcome, page))
        form.add_error(None, LogInForm.REFUSED)
    style_fields(form)
    return render(request, "registration/log_in.html", {"form": form, "next": page})


@require_POST
def log_out(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    if isinstance(request.user, User):
        access.record_log_out(
            request.user, client_address=client_address(request.META), now=timezone.now()
        )
    logout(request)
    return redirect("accounts:log-in")


def _next_step(outcome: LogInOutcome, page: str) -> str:
    if outcome is LogInOutcome.OPENED:
        return page
    return f"{reverse('accounts:second-factor')}?{urlencode({'next': page})}"
