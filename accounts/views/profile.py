"""What users say about themselves."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.domain.client_address import client_address
from accounts.forms import ProfileForm, style_fields
from accounts.models import User
from accounts.services import access
from accounts.views.acts import own_user


@login_required
def profile(request: HttpRequest) -> HttpResponseBase:
    """Show and change the user's name and time zone."""
    # A row of its own: a refused form must not change the name in the page's frame.
    user = User.objects.get(pk=own_user(request).pk)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic(durable=True):
            form.save()
            if form.changed_data:
                access.record_profile_change(
                    user,
                    fields=form.changed_data,
                    client_address=client_address(request.META),
                    now=timezone.now(),
                )
        messages.success(request, "Your profile is saved.")
        return redirect("accounts:profile")
    style_fields(form)
    return render(request, "accounts/profile.html", {"form": form})
