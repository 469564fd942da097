"""The matrix of roles: who may do what on every admin page, exactly."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import RequestFactory

from accounts.domain.roles import Role
from accounts.models import User

ACTS = ("view", "add", "change", "delete")
LOOKS = frozenset({"view"})
# Beyond looking; every other pair of role and model may be looked at by staff, and no more.
MORE = {
    (Role.RISK_OFFICER, "portfolio.RiskLimit"): {"add", "change"},
    (Role.ADMINISTRATOR, "portfolio.RiskLimit"): {"add", "change", "delete"},
    (Role.ADMINISTRATOR, "portfolio.ChargeRates"): {"add"},
    (Role.ADMINISTRATOR, "accounts.User"): {"change"},
}
USER_ACTS = [
    "see_console",
    "stop_trading",
    "allow_trading",
    "suspend",
    "activate",
    "log_out_everywhere",
    "revoke_devices",
    "remove_factors",
    "make_user",
    "make_support",
    "make_risk_officer",
    "make_administrator",
]
STOPS = ["stop_trading", "allow_trading"]
ACTIONS = {
    Role.SUPPORT: {"accounts.User": ["see_console"]},
    Role.RISK_OFFICER: {
        "accounts.User": ["see_console", *STOPS],
        "accounts.ApiApp": ["set_addresses"],
        "portfolio.VenueAccount": STOPS,
        "portfolio.Book": STOPS,
        "portfolio.KillSwitch": STOPS,
    },
    Role.ADMINISTRATOR: {
        "accounts.User": USER_ACTS,
        "accounts.ApiApp": ["revoke", "set_addresses"],
        "accounts.ApiSession": ["end"],
        "portfolio.VenueAccount": [*STOPS, "charge_flat", "charge_indian"],
        "portfolio.Book": STOPS,
        "portfolio.KillSwitch": STOPS,
        "portfolio.RiskLimit": ["delete_selected"],
        "portfolio.ComplianceEvidence": ["confirm"],
        "market.Instrument": ["close_to_orders", "open_to_orders"],
    },
}


@pytest.fixture(params=list(Role))
def request_of_role(request):
    """Return a request by somebody with the role; rights need no database."""
    role = request.param
    made = RequestFactory().get("/admin/")
    made.user = User(
        pk=1,
        role=role,
        is_active=True,
        is_staff=role is not Role.USER,
        is_superuser=role is Role.ADMINISTRATOR,
    )
    return made


def rights(page, request):
    return {act for act in ACTS if getattr(page, f"has_{act}_permission")(request)}


def test_rights_on_every_page(request_of_role):
    role = request_of_role.user.role
    for model, page in admin.site._registry.items():
        label = model._meta.label
        expected = set() if role is Role.USER else LOOKS | MORE.get((role, label), set())
        assert rights(page, request_of_role) == expected, label


def test_acts_on_every_page(request_of_role):
    role = request_of_role.user.role
    found = {}
    for model, page in admin.site._registry.items():
        names = list(page.get_actions(request_of_role))
        if names:
            found[model._meta.label] = names
    expected = ACTIONS.get(role, {})
    assert {name: sorted(each) for name, each in found.items()} == {
        name: sorted(each) for name, each in expected.items()
    }


def test_a_suspended_administrator_has_no_right(request_of_role):
    request_of_role.user.is_active = False
    for page in admin.site._registry.values():
        assert not rights(page, request_of_role)


def test_money_orders_and_trades_are_edited_by_nobody(request_of_role):
    for name in ("Order", "OrderEvent", "Trade", "Position", "LedgerEntry", "LedgerTransaction"):
        page = admin.site.get_model_admin(apps.get_model("portfolio", name))
        assert not rights(page, request_of_role) - LOOKS
        assert not page.get_actions(request_of_role)


def test_nobody_edits_groups_or_single_rights():
    labels = {model._meta.label for model in admin.site._registry}
    assert not labels & {"auth.Group", "auth.Permission"}
    page = admin.site.get_model_admin(User)
    fields = set(page.get_fields(None)) - set(page.get_readonly_fields(None))
    assert fields == {"full_name"}
