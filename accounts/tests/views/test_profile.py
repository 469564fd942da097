import pytest
from django.urls import reverse

from accounts.models import AuditEvent

pytestmark = pytest.mark.django_db


def test_name_and_zone_are_saved_and_noted(client, alice, bob):
    client.force_login(alice)
    response = client.post(
        reverse("accounts:profile"),
        {"full_name": "Alice L.", "time_zone": "Europe/Berlin", "email": "x@example.com"},
        follow=True,
    )
    assert response.status_code == 200
    assert "Your profile is saved." in response.text
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.full_name, alice.time_zone) == ("Alice L.", "Europe/Berlin")
    assert (alice.email, bob.full_name) == ("alice@example.com", "Bob")
    assert AuditEvent.objects.get().detail == {"fields": ["full_name", "time_zone"]}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_a_zone_that_does_not_exist_is_refused(client, alice, zone):
    client.force_login(alice)
    response = client.post(reverse("accounts:profile"), {"full_name": "A", "time_zone": zone})
    assert response.status_code == 200
    assert "time_zone" in response.context["form"].errors
    alice.refresh_from_db()
    assert (alice.full_name, alice.time_zone) == ("Alice", "Asia/Kolkata")
    assert not AuditEvent.objects.exists()


def test_strangers_are_led_to_the_log_in(client):
    response = client.get(reverse("accounts:profile"))
    assert response["Location"] == (
        reverse("accounts:log-in") + "?next=" + reverse("accounts:profile")
    )
