"""What staff do in the admin, for its tests."""

from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from finbyte_site.tests.console import stamp_client


def page(model, name, *args):
    """Return the address of a page of a model."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def in_admin(client, user):
    """Log the user in and let him have entered the admin a moment ago."""
    stamp_client(client, user, factor_at=timezone.now(), admin_seen_at=timezone.now())
    return client


def act(client, model, action, *rows, reason="a reason", **typed):
    """Run an act on rows from their list; return what the page then says."""
    response = client.post(
        page(model, "changelist"),
        {
            "action": action,
            "_selected_action": [row.pk for row in rows],
            "reason": reason,
            "index": 0,
            **typed,
        },
        follow=True,
    )
    return messages_of(response)


def messages_of(response):
    """Return what a page says on top."""
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


def kinds():
    """Return the kinds of acts in the audit log."""
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))
