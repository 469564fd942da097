"""Administrators confirm papers; nobody on staff sees a key."""

from datetime import date

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.tests.factors import enrol
from finbyte_site.tests.console import client_of, stamp_client
from portfolio.models import ComplianceEvidence
from portfolio.tests.services.test_compliance import connected

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:portfolio_complianceevidence_changelist")
PAPERS = ("STATIC_ADDRESS", "BROKER_CONFIRMATION", "ALGO_REGISTRATION")


def desk(user):
    enrol(user)
    now = timezone.now()
    client = client_of(user, factor_at=now)
    stamp_client(client, user, factor_at=now, admin_seen_at=now)
    return client


def confirm(client, row, reason="papers seen"):
    values = {"action": "confirm", "_selected_action": [row.pk], "reason": reason, "index": 0}
    return client.post(PAGE, values, follow=True)


@pytest.fixture
def newest(alice, now):
    account = connected(alice, now, profile="IN_REGISTERED_ALGO")
    rows = [
        ComplianceEvidence.objects.create(
            venue_account=account,
            kind=kind,
            reference="203.0.113.7",
            dated_on=date(2026, 3, 1),
            recorded_by=alice,
            recorded_at=now,
        )
        for kind in PAPERS
    ]
    return rows[-1]


def test_an_administrator_confirms_with_a_reason(staff, alice, newest):
    client = desk(staff)
    assert "Write a reason first." in confirm(client, newest, reason="").text
    assert not ComplianceEvidence.objects.filter(kind="STAFF_CONFIRMATION").exists()
    assert "papers confirmed" in confirm(client, newest).text
    row = ComplianceEvidence.objects.get(kind="STAFF_CONFIRMATION")
    assert (row.reference, row.recorded_by) == ("papers seen", staff)
    event = AuditEvent.objects.get(kind="venue_evidence_confirmed")
    assert (event.actor, event.on_behalf_of) == (staff, alice)
    assert "There is a newer paper" in confirm(client, newest).text
    assert ComplianceEvidence.objects.count() == 4


@pytest.mark.parametrize("role", ["SUPPORT", "RISK_OFFICER"])
def test_others_on_staff_look_and_confirm_nothing(newest, now, role):
    helper = User.objects.create_user("helper@example.com", role=role, joined_at=now)
    client = desk(helper)
    assert client.get(PAGE).status_code == 200
    confirm(client, newest)
    assert ComplianceEvidence.objects.count() == 3
    assert not AuditEvent.objects.filter(kind="venue_evidence_confirmed").exists()
