from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential

from accounts.domain.roles import Role
from accounts.models import (
    ApiApp,
    AuditEvent,
    ConsoleSession,
    RecoveryCode,
    TrustedDevice,
    User,
)
from accounts.services.audit import verify_chain
from accounts.services.users import give_role
from finbyte_site.tests.admin_rows import plant
from finbyte_site.tests.console import client_of
from finbyte_site.tests.desk import act, in_admin, kinds, page
from finbyte_site.tests.security_rows import CANARY
from market.models import Instrument
from portfolio.models import Book, KillSwitch, RiskLimit, VenueAccount

pytestmark = pytest.mark.django_db

APPS = ("accounts", "market", "portfolio", "bots")
MODELS: list[Any] = [
    model
    for label in APPS
    for model in apps.get_app_config(label).get_models()
    if model._meta.label != "market.Candle"
]
EDITABLE = {"accounts.User", "portfolio.ChargeRates", "portfolio.RiskLimit"}
READ_ONLY = [model for model in MODELS if model._meta.label not in EDITABLE]


def by_label(model):
    return model._meta.label


@pytest.fixture
def desk(client, staff):
    """Return the browser of a member of staff who may do everything."""
    return in_admin(client, staff)


@pytest.fixture
def helper(client, bob):
    """Return the browser of a member of staff who may look at everything."""
    give_role(bob, Role.SUPPORT)
    return in_admin(client, bob)


class TestPages:
    def test_every_model_has_its_pages(self):
        missing = [model._meta.label for model in MODELS if not admin.site.is_registered(model)]
        assert not missing
        assert not admin.site.is_registered(apps.get_model("market", "Candle"))

    def test_lists_take_the_same_queries_for_any_number_of_rows(self, desk, now):
        for number in range(2):
            plant(number, now)
        few = {model: self._queries(desk, model) for model in MODELS}
        for number in range(2, 8):
            plant(number, now)
        many = {model: self._queries(desk, model) for model in MODELS}
        assert {model._meta.label: count for model, count in many.items()} == {
            model._meta.label: count for model, count in few.items()
        }

    def _queries(self, client, model):
        with CaptureQueriesContext(connection) as queries:
            response = client.get(page(model, "changelist"))
        assert response.status_code == 200
        return len(queries)

    def test_lists_can_be_searched_and_rows_opened(self, desk, now):
        plant(1, now)
        for model in MODELS:
            if admin.site.get_model_admin(model).search_fields:
                assert desk.get(page(model, "changelist"), {"q": "1"}).status_code == 200
            row = model.objects.order_by("pk").last()
            assert desk.get(page(model, "change", row.pk)).status_code == 200, model

    @pytest.mark.parametrize("model", READ_ONLY, ids=by_label)
    def test_nobody_adds_changes_or_deletes(self, desk, model, now):
        plant(1, now)
        # Not the desk's own session, which its requests write.
        mine = {"pk__startswith": CANARY} if model is ConsoleSession else {}
        row = model.objects.filter(**mine).order_by("pk").last()
        before = model.objects.values().get(pk=row.pk)
        assert desk.get(page(model, "add")).status_code == 403
        assert desk.post(page(model, "add"), {}).status_code == 403
        assert desk.post(page(model, "change", row.pk), {"kind": "x"}).status_code == 403
        assert desk.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model.objects.values().get(pk=row.pk) == before
        listed = desk.get(page(model, "changelist"))
        assert "delete_selected" not in listed.text

    def test_no_secret_and_no_digest_is_shown(self, desk, now):
        plant(1, now)
        for model in [*MODELS, WebAuthnCredential]:
            row = model.objects.order_by("pk").last()
            own = row.pk if model is ConsoleSession else None
            for address in (page(model, "changelist"), page(model, "change", row.pk)):
                text = desk.get(address).text.replace(str(own), "")
                assert CANARY not in text, address
                assert CANARY.encode().hex() not in text, address

    @pytest.mark.parametrize(
        ("model", "lookup"),
        [
            (User, "password__startswith"),
            (ApiApp, "sealed_secret__startswith"),
            (ApiApp, "user__password__startswith"),
            (ConsoleSession, "session_data__contains"),
            (RecoveryCode, "code_hash__startswith"),
        ],
    )
    def test_what_is_not_shown_cannot_be_guessed_by_filtering(self, desk, model, lookup):
        assert desk.get(page(model, "changelist"), {lookup: "a"}).status_code == 400


class TestWhoMayCome:
    def test_the_admin_has_no_log_in_of_its_own(self, client):
        response = client.get(reverse("admin:index"), follow=True)
        last = response.redirect_chain[-1][0]
        assert last.split("?")[0] == reverse("accounts:log-in")

    def test_users_do_not(self, client, alice):
        in_admin(client, alice)
        for address in (reverse("admin:index"), page(User, "changelist")):
            assert client.get(address, follow=True).status_code == 403

    def test_the_admins_own_password_page_is_ours(self, desk):
        response = desk.get(reverse("admin:password_change"))
        assert (response.status_code, response["Location"]) == (
            302,
            reverse("accounts:password-change"),
        )

    def test_logging_out_there_is_noted(self, desk):
        desk.post(reverse("admin:logout"))
        assert kinds() == ["log_out"]


class TestUsers:
    def test_suspending_and_activating(self, desk, alice):
        assert act(desk, User, "suspend", alice) == ["1 of 1 suspended."]
        alice.refresh_from_db()
        assert not alice.is_active
        assert KillSwitch.objects.get(scope="USER", key=alice.pk).is_active
        assert act(desk, User, "activate", alice) == ["1 of 1 activated."]
        alice.refresh_from_db()
        assert alice.is_active
        assert kinds() == ["user_suspend", "user_activate"]
        assert verify_chain()[0] == 2

    def test_a_reason_is_needed(self, desk, alice):
        assert act(desk, User, "suspend", alice, reason=" ") == ["Write a reason first."]
        alice.refresh_from_db()
        assert alice.is_active
        assert not kinds()

    def test_nobody_suspends_himself(self, desk, staff, alice):
        assert act(desk, User, "suspend", staff, alice) == [
            f"You cannot suspend {staff}.",
            "1 of 1 suspended.",
        ]
        assert set(User.objects.filter(is_active=True)) == {staff}

    def test_rights_cannot_be_typed_into_the_form(self, desk, alice, staff):
        values = {"full_name": "Alice B.", "is_staff": "on", "role": "ADMINISTRATOR"}
        assert desk.post(page(User, "change", alice.pk), values).status_code == 302
        alice.refresh_from_db()
        assert (alice.full_name, alice.role, alice.is_staff) == ("Alice B.", "USER", False)
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor) == ("admin_change", staff)
        assert event.target == f"accounts.user {alice.pk}"
        assert event.detail == {"change": [{"changed": {"fields": ["Full name"]}}]}

    def test_a_role_is_changed_by_the_act(self, desk, alice, staff):
        assert act(desk, User, "make_support", alice) == ["1 of 1 changed."]
        alice.refresh_from_db()
        assert (alice.role, alice.is_staff, alice.is_superuser) == ("SUPPORT", True, False)
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.on_behalf_of) == ("role_change", staff, alice)
        assert event.detail == {"old": "USER", "new": "SUPPORT", "reason": "a reason"}

    def test_nobody_changes_his_own_role(self, desk, staff):
        assert act(desk, User, "make_user", staff) == [
            "Nobody changes the role of himself: ask another administrator.",
            "0 of 1 changed.",
        ]
        staff.refresh_from_db()
        assert staff.role == Role.ADMINISTRATOR
        assert not kinds()

    def test_logging_out_everywhere(self, desk, alice):
        browser = client_of(alice)
        assert browser.get("/console/account/profile").status_code == 200
        assert act(desk, User, "log_out_everywhere", alice) == ["1 of 1 logged out."]
        assert browser.get("/console/account/profile").status_code == 302
        event = AuditEvent.objects.get()
        assert event.kind == "log_out_everywhere"
        assert event.detail == {"reason": "a reason", "browsers": 1, "apps": 0}

    def test_revoking_trusted_devices(self, desk, now):
        plant(1, now)
        user = User.objects.get(email="user1@example.com")
        TrustedDevice.objects.update(expires_at=timezone.now() + timedelta(days=1))
        assert act(desk, User, "revoke_devices", user) == ["1 of 1 without trusted devices."]
        assert TrustedDevice.objects.get().revoked_at is not None
        assert kinds() == ["test", "devices_revoke"]

    def test_nobody_adds_or_deletes_users(self, desk, alice):
        assert desk.get(page(User, "add")).status_code == 403
        assert desk.post(page(User, "delete", alice.pk), {"post": "yes"}).status_code == 403
        assert User.objects.filter(pk=alice.pk).exists()


class TestStops:
    @pytest.mark.parametrize(
        ("model", "scope"), [(VenueAccount, "VENUE_ACCOUNT"), (Book, "BOOK"), (User, "USER")]
    )
    def test_of_a_row(self, desk, now, model, scope):
        plant(1, now)
        only = {User: {"email": "user1@example.com"}, Book: {"kind": "MANUAL"}}
        row = model.objects.get(**only.get(model, {}))
        assert act(desk, model, "stop_trading", row) == ["Trading stopped in 1 of 1."]
        assert act(desk, model, "stop_trading", row) == ["Trading stopped in 0 of 1."]
        stop = KillSwitch.objects.get(scope=scope, key=row.pk)
        assert (stop.is_active, stop.reason) == (True, "a reason")
        assert act(desk, model, "allow_trading", row) == ["Trading allowed again in 1 of 1."]
        stop.refresh_from_db()
        assert not stop.is_active
        assert kinds() == ["test", "kill_on", "kill_off"]
        event = AuditEvent.objects.get(kind="kill_on")
        assert event.on_behalf_of == User.objects.get(email="user1@example.com")
        assert (event.target, event.detail) == (f"{scope} {row.pk}", {"reason": "a reason"})

    def test_of_the_platform(self, desk):
        stop = KillSwitch.objects.get(scope="PLATFORM")
        assert act(desk, KillSwitch, "stop_trading", stop, reason="") == ["Write a reason first."]
        act(desk, KillSwitch, "stop_trading", stop)
        stop.refresh_from_db()
        assert stop.is_active
        assert AuditEvent.objects.get().on_behalf_of is not None

    def test_of_an_instrument(self, desk, now):
        plant(1, now)
        row = Instrument.objects.get(tradingsymbol="TEST1")
        assert act(desk, Instrument, "close_to_orders", row) == ["1 changed."]
        assert not Instrument.objects.get(pk=row.pk).is_tradable
        act(desk, Instrument, "open_to_orders", row)
        assert Instrument.objects.get(pk=row.pk).is_tradable
        assert kinds() == ["test", "instrument_close", "instrument_open"]


class TestLimits:
    def values(self, **changes):
        return {"user": "", "venue_account": "", "book": "", "max_order_value": "1000", **changes}

    def test_a_new_limit_is_noted(self, desk, alice):
        response = desk.post(page(RiskLimit, "add"), self.values(user=alice.pk))
        assert response.status_code == 302
        assert RiskLimit.objects.get().max_order_value == 1000
        assert kinds() == ["admin_add"]

    def test_an_account_of_somebody_else_is_refused(self, desk, alice, now):
        plant(1, now)
        before = RiskLimit.objects.count()
        book = Book.objects.get(kind="MANUAL")
        foreign = self.values(user=alice.pk, venue_account=book.venue_account_id, book=book.pk)
        response = desk.post(page(RiskLimit, "add"), foreign)
        assert response.status_code == 200
        errors = response.context["adminform"].form.errors
        assert errors["venue_account"] == errors["book"] == ["It belongs to another user."]
        assert RiskLimit.objects.count() == before

    def test_a_limit_of_nothing_is_refused(self, desk, alice):
        response = desk.post(
            page(RiskLimit, "add"), self.values(user=alice.pk, max_order_value="0")
        )
        assert "above zero" in response.context["adminform"].form.errors["max_order_value"][0]
