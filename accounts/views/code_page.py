"""What the two pages that ask for a second factor share: the log-in's and the step-up's."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.exceptions import CodeRefused, TooManyGuesses
from accounts.forms import style_fields
from accounts.forms_security import CodeForm, RecoveryCodeForm
from accounts.models import User
from accounts.selectors import authenticator_of, passkeys_of
from accounts.services.passkeys import passkey_site

_WAIT = "wait"


def code_form(request: HttpRequest, user: User) -> CodeForm:
    """Return the form for a code of the app, or for a recovery code where that is asked for."""
    is_recovery = "recovery" in request.GET or authenticator_of(user) is None
    return (RecoveryCodeForm if is_recovery else CodeForm)(request.POST or None)


def is_judged_right(form: Form, judge: Callable[[str], None]) -> bool:
    """Let somebody judge the form's one field; his words of refusal go beside it."""
    if not form.is_valid():
        return False
    (name,) = form.fields
    try:
        judge(form.cleaned_data[name])
    except TooManyGuesses as error:
        form.add_error(name, ValidationError(str(error), code=_WAIT))
        return False
    except CodeRefused as error:
        form.add_error(name, str(error))
        return False
    return True


def render_code_page(
    request: HttpRequest, template: str, *, form: Form, user: User, **context: Any
) -> HttpResponse:
    """Return the page; 429 where somebody has to wait."""
    style_fields(form)
    (name,) = form.fields
    context |= {
        "form": form,
        "is_recovery": isinstance(form, RecoveryCodeForm),
        "has_authenticator": authenticator_of(user) is not None,
        "has_passkeys": passkeys_of(user).exists(),
        "passkey_site": passkey_site(request),
    }
    status = 429 if form.has_error(name, _WAIT) else 200
    return render(request, template, context, status=status)
