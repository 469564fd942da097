"""Whose account it is."""

from typing import Any, cast

from django.http import JsonResponse
from rest_framework.request import Request

from api.envelope import success
from api.serializers.user import profile_of
from api.views.base import ApiView


class Profile(ApiView):
    """GET /user/profile."""

    def get(self, request: Request) -> JsonResponse:
        """Return the user as the app may know him."""
        return success(profile_of(cast("Any", request.auth)))
