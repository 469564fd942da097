"""Staff choose how accounts are charged, and announce rates; what has begun stays."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import AuditEvent
from accounts.services.users import give_role
from finbyte_site.tests.desk import act, in_admin, kinds, page
from portfolio.models import ChargeRates, FeeSchedule, VenueAccount
from portfolio.selectors.charges import charge_table
from portfolio.tests.factories import make_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client, staff):
    return in_admin(client, staff)


NEW = {
    "exchange": "NSE",
    "segment": "DELIVERY",
    "brokerage": "0",
    "brokerage_cap": "0",
    "tax_buy": "0.002",
    "tax_sell": "0.001",
    "exchange_turnover": "0.00003",
    "investor_protection": "0",
    "sebi": "0.000001",
    "stamp_buy": "0.00015",
    "gst": "0.18",
    "source": "A circular",
}


def add(client, moment, **changes):
    begins = timezone.localtime(moment)
    when = {"valid_from_0": f"{begins:%Y-%m-%d}", "valid_from_1": f"{begins:%H:%M:%S}"}
    return client.post(page(ChargeRates, "add"), {**NEW, **when, **changes})


class TestRates:
    def test_a_row_is_announced_and_noted(self, desk):
        moment = timezone.now() + timedelta(days=3)
        known = ChargeRates.objects.count()
        assert add(desk, moment).status_code == 302
        assert ChargeRates.objects.count() == known + 1
        assert "admin_add" in kinds()
        table, later = charge_table(), moment + timedelta(seconds=1)
        assert table.at("NSE", "DELIVERY", later).tax_buy == Decimal("0.002")
        assert table.at("NSE", "DELIVERY", timezone.now()).tax_buy == Decimal("0.001")

    def test_nothing_begins_in_the_past_and_no_rate_is_absurd(self, desk):
        known = ChargeRates.objects.count()
        past, future = (timezone.now() + timedelta(days=days) for days in (-1, 1))
        for moment, changes in ((past, {}), (future, {"tax_buy": "0.06"}), (future, {"gst": "-1"})):
            answer = add(desk, moment, **changes)
            assert answer.status_code == 200
            assert answer.context["adminform"].form.errors
        assert ChargeRates.objects.count() == known

    def test_only_administrators_add(self, client, bob):
        give_role(bob, Role.RISK_OFFICER)
        known = ChargeRates.objects.count()
        answer = add(in_admin(client, bob), timezone.now() + timedelta(days=3))
        assert answer.status_code == 403
        assert ChargeRates.objects.count() == known

    def test_nobody_changes_or_removes_a_row(self, desk):
        row = ChargeRates.objects.first()
        assert desk.post(page(ChargeRates, "change", row.pk), NEW).status_code == 403
        assert desk.post(page(ChargeRates, "delete", row.pk), {"post": "yes"}).status_code == 403
        for change in (
            lambda: ChargeRates.objects.filter(pk=row.pk).update(gst=0),
            row.delete,
        ):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                change()
        assert ChargeRates.objects.get(pk=row.pk).gst == Decimal("0.18")


class TestAccounts:
    def test_an_account_is_charged_item_by_item_and_flat_again(self, desk, alice, now):
        account = make_account(alice, now=now)
        assert act(desk, VenueAccount, "charge_indian", account) == [
            "Charged differently from now on: 1."
        ]
        assert act(desk, VenueAccount, "charge_indian", account) == [
            "Charged differently from now on: 0."
        ]
        event = AuditEvent.objects.get(kind="fee_kind")
        assert event.detail == {"kind": "INDIAN_EQUITY", "reason": "a reason"}
        act(desk, VenueAccount, "charge_flat", account)
        schedules = FeeSchedule.objects.filter(venue_account=account).order_by("pk")
        assert [(each.kind, each.taker_rate) for each in schedules] == [
            ("FLAT", Decimal("0.0005")),
            ("INDIAN_EQUITY", 0),
            ("FLAT", Decimal("0.0005")),
        ]

    def test_refusals_are_told_and_change_nothing(self, desk, alice, now):
        account = make_account(alice, now=now, asset="USDT")
        words = f"{account.name} settles in USDT; Indian charges are in INR."
        assert act(desk, VenueAccount, "charge_indian", account) == [
            words,
            "Charged differently from now on: 0.",
        ]
        assert act(desk, VenueAccount, "charge_indian", account, reason=" ") == [
            "Write a reason first."
        ]
        assert account.fee_schedules.count() == 1
        assert "fee_kind" not in kinds()

    def test_only_administrators_choose(self, client, alice, bob, now):
        account = make_account(alice, now=now)
        give_role(bob, Role.RISK_OFFICER)
        act(in_admin(client, bob), VenueAccount, "charge_indian", account)
        assert account.fee_schedules.count() == 1
