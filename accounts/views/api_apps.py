"""Pages of a user's API apps, and of the apps that act for him."""

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.domain.allowed_addresses import next_change_at
from accounts.domain.client_address import client_address
from accounts.domain.snippets import SECRET_VARIABLE, curl_snippet, python_snippet
from accounts.domain.step_up import Strength
from accounts.exceptions import InvalidInput, Refused
from accounts.forms import style_fields
from accounts.forms_api_apps import AddressesForm, ApiAppForm
from accounts.models import ApiApp, ApiSession
from accounts.selectors_api_apps import (
    api_apps_of,
    receiver_of,
    sessions_acting_for,
    sessions_of_app,
)
from accounts.services import api_apps, api_sessions
from accounts.views.acts import own_user
from accounts.views.step_up import requires_factor

Made = TypeVar("Made")
_fresh = requires_factor(Strength.FRESH_FACTOR, enrolled=True)


@login_required
@require_GET
def app_list(request: HttpRequest) -> HttpResponse:
    """Show the user's apps, and which apps act for him now."""
    user, now = own_user(request), timezone.now()
    return render(
        request,
        "accounts/api_apps.html",
        {
            "apps": api_apps_of(user, now=now),
            "acting": sessions_acting_for(user, now=now),
            "most": api_apps.MOST_APPS,
            "now": now,
        },
    )


@_fresh
@never_cache
def app_create(request: HttpRequest) -> HttpResponse:
    """Register an app; the answer to the form is the one page that shows its secret."""
    form = ApiAppForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = _tried(
            form,
            lambda: api_apps.create_app(
                own_user(request),
                form.settings(),
                client_address=client_address(request.META),
                now=timezone.now(),
            ),
        )
        if made is not None:
            return _secret_page(request, *made)
    return _form_page(request, form)


@login_required
@require_GET
def app_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an app: what it is, from where it may, who uses it, and a program to start with."""
    return _detail_page(request, _my_app(request, pk))


@_fresh
@never_cache
def app_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what an app is called, where it returns to and what it may trade in."""
    app = _my_app(request, pk)
    form = ApiAppForm.of(app, request.POST or None)
    if request.method == "POST" and form.is_valid():
        changed = _tried(
            form,
            lambda: api_apps.change_app(
                app,
                form.settings(),
                client_address=client_address(request.META),
                now=timezone.now(),
            ),
        )
        if changed is not None:
            messages.success(request, f"{changed.name} is saved.")
            return redirect("accounts:api-app-detail", pk=app.pk)
    return _form_page(request, form, app=app)


@_fresh
@require_POST
@never_cache
def secret_rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Give an app a new secret and show it, once."""
    app = _my_app(request, pk)
    try:
        made = api_apps.rotate_secret(
            app, client_address=client_address(request.META), now=timezone.now()
        )
    except Refused as error:
        return _back_with(request, app, error)
    return _secret_page(request, *made)


@_fresh
@require_POST
def addresses_set(request: HttpRequest, pk: int) -> HttpResponse:
    """Set from where an app's orders may come."""
    app = _my_app(request, pk)
    form = AddressesForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, app, addresses_form=form)
    try:
        api_apps.set_addresses(
            app, form.texts(), client_address=client_address(request.META), now=timezone.now()
        )
    except InvalidInput as error:
        form.add_error("first", str(error))
        return _detail_page(request, app, addresses_form=form)
    except Refused as error:
        return _back_with(request, app, error)
    messages.success(request, "The addresses are saved.")
    return redirect("accounts:api-app-detail", pk=app.pk)


@login_required
@require_POST
def app_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop an app for good. It asks for no second factor: stopping must be quick."""
    app = _my_app(request, pk)
    if api_apps.revoke_app(
        app,
        actor=own_user(request),
        client_address=client_address(request.META),
        now=timezone.now(),
    ):
        messages.success(request, f"{app.name} is revoked. Its sessions have ended.")
    return redirect("accounts:api-app-list")


@login_required
@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End a session of one of the user's apps, or of an app that acts for him."""
    user = own_user(request)
    session = get_object_or_404(ApiSession.objects.touching(user).select_related("app"), pk=pk)
    if api_sessions.end_session(
        session, actor=user, client_address=client_address(request.META), now=timezone.now()
    ):
        messages.success(request, f"The session of {session.app.name} has ended.")
    if request.POST.get("page") == "app" and session.app.user_id == user.pk:
        return redirect("accounts:api-app-detail", pk=session.app_id)
    return redirect("accounts:api-app-list")


def _my_app(request: HttpRequest, pk: int) -> ApiApp:
    apps = ApiApp.objects.for_user(own_user(request)).filter(revoked_at=None)
    return get_object_or_404(apps.select_related("user"), pk=pk)


def _tried(form: ApiAppForm, act: Callable[[], Made]) -> Made | None:
    """Do it, or write beside the field what is wrong."""
    try:
        return act()
    except InvalidInput as error:
        form.add_error(error.field, str(error))
    except Refused as error:
        form.add_error(None, str(error))
    return None


def _back_with(request: HttpRequest, app: ApiApp, error: Refused) -> HttpResponse:
    messages.error(request, str(error))
    return redirect("accounts:api-app-detail", pk=app.pk)


def _form_page(
    request: HttpRequest, form: ApiAppForm, *, app: ApiApp | None = None
) -> HttpResponse:
    boxes = form.fields["products"].widget.attrs["class"]
    style_fields(form)
    form.fields["products"].widget.attrs["class"] = boxes
    return render(request, "accounts/api_app_form.html", {"form": form, "app": app})


def _secret_page(request: HttpRequest, app: ApiApp, secret: str) -> HttpResponse:
    return render(
        request,
        "accounts/api_app_secret.html",
        {"app": app, "secret": secret, "variable": SECRET_VARIABLE},
    )


def _detail_page(
    request: HttpRequest, app: ApiApp, *, addresses_form: AddressesForm | None = None
) -> HttpResponse:
    now = timezone.now()
    form = addresses_form or AddressesForm.of(app)
    style_fields(form)
    free_from = next_change_at(app.addresses_changed_at)
    root = settings.PUBLIC_URL
    return render(
        request,
        "accounts/api_app.html",
        {
            "app": app,
            "sessions": sessions_of_app(app, now=now),
            "receiver": receiver_of(app),
            "form": form,
            "locked_until": free_from if free_from is not None and free_from > now else None,
            "python": python_snippet(root=root, api_key=app.api_key),
            "curl": curl_snippet(root=root, api_key=app.api_key),
            "variable": SECRET_VARIABLE,
            "now": now,
        },
    )
