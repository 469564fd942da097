"""Addresses beside the stream; the sockets themselves are in finbyte_site.routing."""

from django.urls import path

from api.views.stream import StreamToken

urlpatterns = [
    path("session/stream_token", StreamToken.as_view(), name="session-stream-token"),
]
