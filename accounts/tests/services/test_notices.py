from django.db import transaction

from accounts.models import AuditEvent
from accounts.services import audit
from accounts.services.notices import queue_notice


def test_a_queue_that_is_away_costs_the_mail_and_not_the_act(real_db, alice, now, caplog):
    def away(*_values):
        raise ConnectionError("the broker does not answer")

    with transaction.atomic():
        queue_notice(alice, "password_changed", client_address=None, now=now, enqueue=away)
        audit.record(actor=alice, kind="password_change", now=now)
    assert AuditEvent.objects.get().kind == "password_change"
    assert "the broker does not answer" in caplog.text
