"""What protects the account, at a glance."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.domain.recovery import FEW
from accounts.domain.roles import SecondFactorRule
from accounts.selectors import (
    authenticator_of,
    passkeys_of,
    password_set_at,
    recovery_codes_left,
)
from accounts.views.acts import own_user


@require_safe
@login_required
def security(request: HttpRequest) -> HttpResponseBase:
    """Show the second factors, the password and where else to look."""
    user = own_user(request)
    authenticator, passkeys = authenticator_of(user), list(passkeys_of(user))
    left = recovery_codes_left(user)
    context = {
        "authenticator": authenticator,
        "passkeys": passkeys,
        "has_factor": authenticator is not None or bool(passkeys),
        "codes_left": left,
        "has_few_codes": left <= FEW,
        "password_at": password_set_at(user),
        "is_every_session": user.second_factor_rule == SecondFactorRule.EVERY_SESSION,
    }
    return render(request, "accounts/security.html", context)
