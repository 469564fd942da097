"""Recovery codes: how many are left, and new ones, shown once."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.domain.recovery import FEW
from accounts.exceptions import Refused
from accounts.models import User
from accounts.selectors import has_second_factor, recovery_codes_left
from accounts.services.notices import Enqueue
from accounts.services.recovery_codes import make_recovery_codes
from accounts.views.acts import act_of, own_user
from accounts.views.step_up import requires_factor


@never_cache
@requires_factor()
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest, *, enqueue: Enqueue) -> HttpResponseBase:
    """Say how many are left; make ten new ones and show them in the answer, and only there."""
    user, act = own_user(request), act_of(request, enqueue)
    if request.method == "POST":
        try:
            codes = make_recovery_codes(user, act=act)
        except Refused as error:
            messages.error(request, str(error))
            return redirect("accounts:security")
        request.session.cycle_key()
        lines = [str(code) for code in codes]
        shown = {"codes": lines, "text": _file_of(user, lines)}
        return render(request, "accounts/recovery_codes_new.html", shown)
    left = recovery_codes_left(user)
    context = {"left": left, "is_few": left <= FEW, "has_factor": has_second_factor(user)}
    return render(request, "accounts/recovery_codes.html", context)


def _file_of(user: User, lines: list[str]) -> str:
    heading = f"FinByte recovery codes of {user.email}. Each one works once."
    return "\r\n".join([heading, "", *lines, ""])
