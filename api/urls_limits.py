"""Address of the published limits."""

from django.urls import path

from api.views.limits import Limits

urlpatterns = [path("user/limits", Limits.as_view(), name="user-limits")]
