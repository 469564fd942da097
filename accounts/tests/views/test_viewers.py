"""The page of viewers."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Delegation
from finbyte_site.tests.console import client_of, stamp_client

pytestmark = pytest.mark.django_db

PAGE = reverse("accounts:viewer-list")
OFFER = reverse("accounts:viewer-offer")


@pytest.fixture(autouse=True)
def _unlimited(redis_client):
    """Start with no offer counted."""


@pytest.fixture
def row(alice, bob, now):
    return Delegation.objects.create(
        user=alice, invited=bob.public_id, viewer=bob, given_at=timezone.now()
    )


def address(name, row):
    return reverse(f"accounts:{name}", args=[row.pk])


def test_the_answer_is_the_same_for_known_and_unknown_people(alice, bob):
    client = client_of(alice)
    answers = []
    for name in (bob.email, "nobody@example.com"):
        response = client.post(OFFER, {"invited": name}, follow=True)
        answers.append(response.text.replace(name, "NAME").count("NAME is asked now"))
        assert response.redirect_chain == [(PAGE, 302)]
    assert answers == [1, 1]
    rows = client.get(PAGE).text
    assert rows.count("Not accepted yet") == 2
    assert bob.public_id not in rows


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_day_at_either_end_of_time_is_refused(alice, bob, day):
    response = client_of(alice).post(OFFER, {"invited": bob.email, "ends_on": day})
    assert response.status_code == 400
    assert "Choose a day within the next 366 days." in response.text
    assert Delegation.objects.count() == 0


def test_offering_needs_a_fresh_confirmation(client, alice, bob):
    stamp_client(client, alice, password_at=timezone.now() - timedelta(minutes=6))
    response = client.post(OFFER, {"invited": bob.email})
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("accounts:confirm"))
    assert not Delegation.objects.exists()


def test_an_odd_offer_says_what_is_wrong(alice):
    response = client_of(alice).post(OFFER, {"invited": alice.email})
    assert response.status_code == 400
    assert "That is you." in response.text
    day = (timezone.now() - timedelta(days=2)).date()
    response = client_of(alice).post(OFFER, {"invited": "FB0999", "ends_on": day.isoformat()})
    assert "within the next 366 days" in response.text
    assert not Delegation.objects.exists()


def test_the_last_day_counts_to_its_end_where_the_owner_lives(alice, bob):
    day = (timezone.now() + timedelta(days=3)).date()
    client_of(alice).post(OFFER, {"invited": bob.email, "ends_on": day.isoformat()})
    ends_at = Delegation.objects.get().ends_at
    # 00:00 in India of the day after.
    assert ends_at.isoformat() == f"{day.isoformat()}T18:30:00+00:00"


def test_the_viewer_accepts_looks_and_leaves(alice, bob, row):
    client = client_of(bob)
    assert "offers you to look" in client.get(PAGE).text
    assert client.post(address("viewer-accept", row)).status_code == 302
    assert "you can look" in client.get(PAGE).text
    assert client.post(address("viewing-start", row))["Location"] == "/console/"
    client.post(address("viewer-leave", row))
    assert "Nobody has offered you" in client.get(PAGE).text


def test_the_owner_takes_it_back(alice, row):
    client = client_of(alice)
    assert row.invited in client.get(PAGE).text
    assert client.post(address("viewer-revoke", row)).status_code == 302
    assert "Nobody but you" in client.get(PAGE).text


@pytest.mark.parametrize(
    "name", ["viewer-accept", "viewer-revoke", "viewer-leave", "viewing-start"]
)
def test_a_foreign_offer_is_404_and_stays(staff, row, name):
    client = client_of(staff)
    assert client.post(address(name, row)).status_code == 404
    assert client.get(address(name, row)).status_code == 405
    row.refresh_from_db()
    assert (row.accepted_at, row.revoked_at) == (None, None)


def test_strangers_are_led_to_the_log_in(client, row):
    for path in (PAGE, OFFER, address("viewer-accept", row), address("viewing-start", row)):
        assert client.post(path)["Location"].startswith(reverse("accounts:log-in"))
