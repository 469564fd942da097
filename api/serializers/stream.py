"""What the endpoints beside `/stream` answer."""

from typing import Any

from rest_framework import serializers


class StreamTokenData(serializers.Serializer[Any]):
    """A one-time token."""

    token = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds")
