import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.exceptions import SignUpRefused
from accounts.models import User
from accounts.services.users import activate_user, deactivate_user, register_user

PASSWORD = "nine green bottles"


@pytest.mark.django_db
def test_public_ids_ascend(now):
    first = register_user(email="A@Example.com", password=PASSWORD, now=now)
    second = register_user(email="b@example.com", password=PASSWORD, now=now)
    assert first.email == "a@example.com"
    assert first.public_id.startswith("FB")
    assert len(first.public_id) == 6
    assert int(second.public_id[2:]) == int(first.public_id[2:]) + 1
    assert first.check_password(PASSWORD)


def test_the_first_user_of_a_new_copy_is_fb0001(real_db, now):
    with connection.cursor() as cursor:
        cursor.execute("ALTER SEQUENCE accounts_public_id RESTART")
    assert register_user(email="a@example.com", password=PASSWORD, now=now).public_id == "FB0001"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "at least 12"),
        ("q1w2e3r4t5y6", "very common password"),
        ("password1234", "very common password"),
        ("iloveyou1234", "similar to a commonly used password"),
        ("letmeinletmein", "Repeats"),
        ("sunshine2024!", "several words"),
        ("x" * 1024, "Repeats"),
        ("carolina@example", "too similar"),
    ],
)
def test_weak_passwords_are_refused(password, words, now):
    with pytest.raises(SignUpRefused, match=words) as raised:
        register_user(email="carolina@example.com", password=password, now=now)
    assert raised.value.field == "password"
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_address_is_taken_in_any_case(alice, now):
    with pytest.raises(SignUpRefused, match="already an account") as raised:
        register_user(email="ALICE@example.COM", password=PASSWORD, now=now)
    assert raised.value.field == "email"
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_an_address_is_found_by_the_index(alice):
    with CaptureQueriesContext(connection) as queries:
        assert User.objects.get_by_natural_key("Alice@Example.com") == alice
    assert 'LOWER("accounts_user"."email") = ' in queries.captured_queries[0]["sql"]


@pytest.mark.django_db
def test_an_invalid_address_is_refused(now):
    with pytest.raises(SignUpRefused, match="valid e-mail") as raised:
        register_user(email="nobody", password=PASSWORD, now=now)
    assert raised.value.field == "email"


@pytest.mark.django_db
def test_stopping_a_user_says_whether_it_was_new(alice):
    assert deactivate_user(alice)
    assert not deactivate_user(alice)
    assert activate_user(alice)
    assert not activate_user(alice)
