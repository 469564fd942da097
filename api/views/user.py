"""Whose account it is."""

from django.http import HttpResponse
from rest_framework.request import Request

from api.envelope import success
from api.schema import documented
from api.serializers.user import ProfileData, profile_of
from api.views.base import ApiView
from api.writes import session_of


class Profile(ApiView):
    """GET /user/profile."""

    @documented("The user, and what the app may do", data=ProfileData, tag="User")
    def get(self, request: Request) -> HttpResponse:
        """Return the user as the app may know him."""
        return success(profile_of(session_of(request)))
