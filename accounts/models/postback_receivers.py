"""Whether those that apps have named take notices."""

from django.db import models

from accounts.models.api_apps import ApiApp
from accounts.models.managers import OwnedQuerySet


class PostbackReceiver(models.Model):
    """How the last notices to an app's address went; one row per app that was ever sent one."""

    app = models.OneToOneField(
        ApiApp, models.CASCADE, primary_key=True, related_name="postback_receiver"
    )
    # What is said here is said of this address; another one starts afresh.
    url = models.CharField(max_length=500)
    failures = models.PositiveIntegerField(default=0)
    # Nobody was there at all: nothing is sent before.
    paused_until = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=60, blank=True)

    owner_path = "app__user"
    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"postbacks of app {self.app_id}"
