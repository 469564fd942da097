"""Starting and ending a look at somebody else's console."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.exceptions import NotFound
from accounts.services.viewing import look_as_viewer, stop_looking
from accounts.views.acts import own_user


@login_required
@require_POST
def start(request: HttpRequest, delegation_id: int) -> HttpResponse:
    """Show the pages of an owner who lets me look."""
    try:
        look_as_viewer(request, own_user(request), delegation_id, now=timezone.now())
    except NotFound as error:
        raise Http404 from error
    return redirect("home")


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Show my own pages again."""
    stop_looking(request, own_user(request), now=timezone.now())
    return redirect("home")
