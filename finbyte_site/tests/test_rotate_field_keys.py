"""Old keys go: every sealed column is found, sealed anew, and opens afterwards."""

import io

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.domain.sealing import NotOpened, prefix_of
from accounts.models import ApiApp, AuthenticatorApp
from accounts.services.sealed import seal, unseal
from finbyte_site import sealed_columns
from finbyte_site.sealed_columns import SEALED_COLUMNS
from portfolio.models import VenueAccount, VenueCredentials

pytestmark = pytest.mark.django_db

OLD, NEW = "an old key " * 4, "a new key " * 4


@pytest.fixture(autouse=True)
def old_key(settings):
    settings.FIELD_KEYS = [OLD]


def plant(user, column, now, number=1):
    """Make a row whose sealed text says whose and which it is."""
    text = seal(f"{column.name} of {user.pk}", what=column.what, user_id=user.pk)
    match column.name:
        case "sealed_seed":
            return AuthenticatorApp.objects.create(user=user, name=f"{number}", sealed_seed=text)
        case "sealed_secret":
            return ApiApp.objects.create(
                user=user,
                name=f"app {number}",
                api_key=f"{user.pk:08d}{number:08d}",
                sealed_secret=text,
                secret_made_at=now,
                redirect_url="https://example.com/",
                created_at=now,
            )
        case "sealed_key":
            account = VenueAccount.objects.create(
                user=user,
                name=f"testnet {number}",
                venue="BINANCE_TESTNET",
                mode="TESTNET",
                compliance_profile="CRYPTO_TESTNET",
                settlement_asset="USDT",
                status="NOT_READY",
                created_at=now,
            )
            return VenueCredentials.objects.create(
                venue_account=account,
                sealed_key=text,
                hint="1234",
                added_at=now,
                finding="CANNOT_TELL",
                finding_words="It works.",
            )
        case _:
            raise AssertionError(f"write how to plant {column}")


def opened(row, column, user):
    row.refresh_from_db()
    return unseal(getattr(row, column.name), what=column.what, user_id=user.pk)


def run(*arguments):
    out = io.StringIO()
    call_command("rotate_field_keys", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_every_sealed_column_is_known():
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name.startswith("sealed_")
    }
    assert found == {str(column) for column in SEALED_COLUMNS}
    assert len(found) == 3


def test_all_are_sealed_anew_and_the_old_key_may_go(alice, bob, settings, now):
    planted = [
        (plant(user, column, now), column, user)
        for column in SEALED_COLUMNS
        for user in (alice, bob)
    ]
    settings.FIELD_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="6 texts need their old key"):
        run("--check")
    assert all(getattr(row, column.name).startswith(prefix_of(OLD)) for row, column, _ in planted)
    assert run() == [f"{column}: 2 sealed anew" for column in SEALED_COLUMNS]
    settings.FIELD_KEYS = [NEW]
    for row, column, user in planted:
        assert opened(row, column, user) == f"{column.name} of {user.pk}"
    assert run("--check") == [f"{column}: 0 under an older key" for column in SEALED_COLUMNS]
    assert run() == [f"{column}: 0 sealed anew" for column in SEALED_COLUMNS]


def test_a_text_moved_to_another_user_opens_in_no_column(alice, bob, now):
    for column in SEALED_COLUMNS:
        mine, theirs = plant(alice, column, now), plant(bob, column, now)
        type(mine).objects.filter(pk=mine.pk).update(**{column.name: getattr(theirs, column.name)})
        with pytest.raises(NotOpened):
            opened(mine, column, alice)


def test_a_text_moved_to_another_column_does_not_open(alice, now):
    rows = [(plant(alice, column, now), column) for column in SEALED_COLUMNS]
    moved = 0
    for row, column in rows:
        for other in SEALED_COLUMNS:
            if other is not column:
                with pytest.raises(NotOpened):
                    unseal(getattr(row, column.name), what=other.what, user_id=alice.pk)
                moved += 1
    assert moved == 6


def test_what_does_not_open_is_named_and_the_rest_goes_on(alice, bob, settings, now):
    column = SEALED_COLUMNS[2]
    broken, whole = plant(alice, column, now), plant(bob, column, now)
    VenueCredentials.objects.filter(pk=broken.pk).update(sealed_key="1.00000000.gone")
    settings.FIELD_KEYS = [NEW, OLD]
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 texts do not open"):
        call_command("rotate_field_keys", stdout=out)
    assert f"1 sealed anew, 1 do not open (the first has id {broken.pk})" in out.getvalue()
    assert opened(whole, column, bob)
    broken.refresh_from_db()
    assert broken.sealed_key == "1.00000000.gone"


def test_it_goes_on_where_it_was_stopped(alice, settings, now, monkeypatch):
    column = SEALED_COLUMNS[2]
    rows = [plant(alice, column, now, number) for number in range(5)]
    settings.FIELD_KEYS = [NEW, OLD]
    monkeypatch.setattr(sealed_columns, "BATCH", 2)
    count = iter(range(100))

    def stopping(*args, **kwargs):
        if next(count) == 3:
            raise KeyboardInterrupt
        return seal(*args, **kwargs)

    monkeypatch.setattr(sealed_columns, "seal", stopping)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert sealed_columns.older_texts(column).count() == 3
    monkeypatch.setattr(sealed_columns, "seal", seal)
    with CaptureQueriesContext(connection) as queries:
        assert run()[2] == f"{column}: 3 sealed anew"
    assert len([each for each in queries if each["sql"].startswith("UPDATE")]) == 3
    assert all(opened(row, column, alice) for row in rows)


def test_a_secret_that_was_changed_meanwhile_is_not_put_back(alice, settings, now, monkeypatch):
    column = SEALED_COLUMNS[1]
    row = plant(alice, column, now)
    settings.FIELD_KEYS = [NEW, OLD]

    def changed_first(text, *, what, user_id):
        newer = seal("newer", what=what, user_id=user_id)
        ApiApp.objects.filter(pk=row.pk).update(sealed_secret=newer)
        return seal(text, what=what, user_id=user_id)

    monkeypatch.setattr(sealed_columns, "seal", changed_first)
    assert run()[1] == f"{column}: 0 sealed anew"
    assert opened(row, column, alice) == "newer"


def test_without_keys_it_says_so(settings):
    settings.FIELD_KEYS = []
    with pytest.raises(CommandError, match="FIELD_KEYS is not set"):
        run()
