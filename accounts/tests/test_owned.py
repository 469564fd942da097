import pytest
from django.apps import apps
from django.conf import settings

from accounts.models.managers import OwnedQuerySet

# Rows that belong to the platform, or that a portfolio row stands in front of.
NOT_OWNED = {
    "accounts.GuessBucket",
    "accounts.User",
    "portfolio.ChargeRates",
    "portfolio.GatewayShard",
    "portfolio.KillSwitch",
    "portfolio.LedgerTransaction",
    "portfolio.RateSecond",
}
MODELS = [
    model
    for label in ("accounts", "portfolio", "bots")
    for model in apps.get_app_config(label).get_models()
    if model._meta.label not in NOT_OWNED
]


def by_label(model):
    return model._meta.label


@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_every_model_of_a_users_data_has_for_user(model):
    assert isinstance(model.objects.all(), OwnedQuerySet), (
        f"{model._meta.label} needs `objects = OwnedQuerySet.as_manager()`, or a place in NOT_OWNED"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=by_label)
def test_for_user_leads_to_the_owner(model, alice):
    rows = model.objects.for_user(alice)
    path = getattr(model, "owner_path", "user")
    field = model
    for part in path.split("__"):
        field = field._meta.get_field(part).related_model
    assert field._meta.label == settings.AUTH_USER_MODEL
    assert list(rows) == []
