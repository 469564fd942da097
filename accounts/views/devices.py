"""Trusted devices and addresses."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.client_address import client_address
from accounts.domain.roles import SecondFactorRule
from accounts.exceptions import InvalidInput, NotFound
from accounts.forms import style_fields
from accounts.forms_devices import AddressForm, NameForm
from accounts.selectors import has_second_factor
from accounts.services import addresses as address_services
from accounts.services import devices as device_services
from accounts.services.places import place_network
from accounts.services.sessions import stamp_of
from accounts.views.acts import own_user
from accounts.views.step_up import requires_factor


@require_safe
@login_required
def devices(request: HttpRequest) -> HttpResponseBase:
    """Show the devices that spare the user the second factor."""
    user, stamp = own_user(request), stamp_of(request)
    context = {
        "devices": device_services.live_devices(user, now=timezone.now()),
        "this_device": None if stamp is None else stamp.device_id,
        "is_every_session": user.second_factor_rule == SecondFactorRule.EVERY_SESSION,
        "has_factor": has_second_factor(user),
    }
    return render(request, "accounts/devices.html", context)


@require_POST
@login_required
def rename_device(request: HttpRequest, device_id: int) -> HttpResponseBase:
    """Give a device a name."""
    name = _typed_name(request)
    try:
        device_services.rename_device(
            request, own_user(request), device_id, name=name, now=timezone.now()
        )
    except NotFound as error:
        raise Http404 from error
    return redirect("accounts:devices")


@require_POST
@login_required
def revoke_device(request: HttpRequest, device_id: int) -> HttpResponseBase:
    """Trust a device no more."""
    try:
        device_services.revoke_device(request, own_user(request), device_id, now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    messages.success(request, "Removed. Its next log-in asks for your second factor.")
    return redirect("accounts:devices")


@require_POST
@login_required
def revoke_devices(request: HttpRequest) -> HttpResponseBase:
    """Trust no device any more."""
    count = device_services.revoke_devices(request, own_user(request), now=timezone.now())
    messages.success(request, f"Removed: {count}. Every log-in asks for your second factor now.")
    return redirect("accounts:devices")


@require_safe
@login_required
def addresses(request: HttpRequest) -> HttpResponseBase:
    """Show the addresses that the user trusts."""
    context = {
        "addresses": address_services.live_addresses(own_user(request), now=timezone.now()),
        "here": place_network(request),
    }
    return render(request, "accounts/addresses.html", context)


@requires_factor()
def add_address(request: HttpRequest) -> HttpResponseBase:
    """Trust an address beforehand."""
    here = client_address(request.META) or ""
    form = AddressForm(request.POST or None, initial={"address": here})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            address_services.add_address(
                request,
                own_user(request),
                typed=values["address"],
                name=values["name"],
                now=timezone.now(),
            )
        except InvalidInput as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, "You trust this address now.")
            return redirect("accounts:addresses")
    style_fields(form)
    return render(
        request, "accounts/addresses_add.html", {"form": form}, status=400 if form.errors else 200
    )


@require_POST
@login_required
def rename_address(request: HttpRequest, address_id: int) -> HttpResponseBase:
    """Give an address a name."""
    name = _typed_name(request)
    try:
        address_services.rename_address(
            request, own_user(request), address_id, name=name, now=timezone.now()
        )
    except NotFound as error:
        raise Http404 from error
    return redirect("accounts:addresses")


@require_POST
@login_required
def revoke_address(request: HttpRequest, address_id: int) -> HttpResponseBase:
    """Trust an address no more, nor the devices there."""
    try:
        count = address_services.revoke_address(
            request, own_user(request), address_id, now=timezone.now()
        )
    except NotFound as error:
        raise Http404 from error
    messages.success(request, f"Removed, with {count} trusted device{'' if count == 1 else 's'}.")
    return redirect("accounts:addresses")


def _typed_name(request: HttpRequest) -> str:
    """Return the name that was sent; the page's field lets no longer one through."""
    form = NameForm(request.POST)
    return form.cleaned_data["name"] if form.is_valid() else ""
