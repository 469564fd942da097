import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import RequestFactory

from accounts.domain.guess_delays import Kind
from accounts.domain.tokens import token_digest
from accounts.exceptions import TooManyGuesses
from accounts.models import DeviceToken, GuessBucket, LogInPlace, TrustedAddress, TrustedDevice
from accounts.services.guesses import claim_try, digest_of, forget_drained, take_back

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def request_from(address, **cookies):
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    request.COOKIES.update(cookies)
    return request


def seconds_held(address, email="alice@example.com", *, now, **cookies):
    """Try, and return how long one has to wait: 0 when the try was let in."""
    try:
        claim_try(request_from(address, **cookies), email, now=now)
    except TooManyGuesses as refusal:
        return refusal.seconds
    return 0


def in_parallel(count, act):
    """Run the act so many times at once; return the answers."""
    start = threading.Barrier(count)

    def run(number):
        try:
            start.wait()
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.django_db
def test_10_000_guesses_of_a_day_from_1_000_addresses_are_94(alice, now, monkeypatch):
    """The account's bucket counts what no single address would."""
    evaluated, moment, number = 0, now, 0
    while moment < now + timedelta(days=1):
        # Whoever is held knows for how long: the tries in between are known to be held as well.
        wait = seconds_held(f"10.1.{number // 250}.{number % 250}", now=moment)
        evaluated += wait == 0
        moment += timedelta(seconds=max(wait, 1))
        number += 1
    assert evaluated == 94


@pytest.mark.django_db
def test_who_is_known_does_not_wait_for_strangers(alice, now):
    LogInPlace.objects.create(
        user=alice, browser="Firefox", network=f"{HERE}/32", first_seen_at=now, seen_at=now
    )
    moment = now
    for tries in range(10):
        moment += timedelta(seconds=2 ** (tries - 1) if tries else 0)
        assert seconds_held(ELSEWHERE, now=moment) == 0
    assert seconds_held("192.0.2.1", now=moment) == 512
    assert seconds_held(HERE, now=moment) == 0
    # At his own place he waits for his own mistakes only, and others' accounts are not his.
    assert seconds_held(HERE, now=moment) == 1
    assert seconds_held(HERE, "bob@example.com", now=moment) == 0


@pytest.mark.django_db
def test_a_trusted_device_is_known_everywhere_but_to_nobody_else(alice, bob, now):
    address = TrustedAddress.objects.create(
        user=alice, network=f"{HERE}/32", trusted_at=now, seen_at=now
    )
    device = TrustedDevice.objects.create(
        user=alice,
        address=address,
        browser="Firefox",
        trusted_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=30),
    )
    token = DeviceToken.objects.create(device=device, digest=token_digest("value"), issued_at=now)
    cookie = {settings.DEVICE_COOKIE_NAME: "value"}
    assert seconds_held(ELSEWHERE, now=now) == 0
    assert seconds_held("192.0.2.1", now=now) == 1
    assert seconds_held("192.0.2.1", now=now, **cookie) == 0
    assert seconds_held("192.0.2.2", now=now, **cookie) == 1
    # Worth nothing for another account, and once it is replaced, revoked or too old.
    assert seconds_held(ELSEWHERE, bob.email, now=now) == 0
    assert seconds_held("192.0.2.1", bob.email, now=now, **cookie) == 1
    later = now + timedelta(seconds=1)
    assert seconds_held(ELSEWHERE, now=later) == 0
    token.replaced_at = now
    token.save()
    assert seconds_held("192.0.2.3", now=later, **cookie) == 2
    token.replaced_at, device.revoked_at = None, now
    token.save()
    device.save()
    assert seconds_held("192.0.2.3", now=later, **cookie) == 2


@pytest.mark.django_db
def test_a_right_password_takes_back_what_its_place_has_tried(alice, now):
    assert seconds_held(ELSEWHERE, now=now) == 0
    moment = now
    for wait in (1, 2, 4):
        moment += timedelta(seconds=wait)
        claimed = claim_try(request_from(HERE), alice.email, now=moment)
    take_back(claimed, now=moment)
    # The stranger's one try still counts: here nobody has to wait for the owner's own three.
    levels = {
        row.key.partition(" ")[0]: row.empty_at - now
        for row in GuessBucket.objects.exclude(key__contains=f"{ELSEWHERE}/32")
    }
    assert levels[Kind.ACCOUNT] == timedelta(seconds=1024)
    assert levels[Kind.PLATFORM] == timedelta(seconds=8)
    assert levels[Kind.PLACE] <= moment - now
    assert seconds_held(HERE, now=moment) == 0


@pytest.mark.django_db
def test_ones_own_account_does_not_wash_an_address_clean(alice, now):
    """Whoever has an account may not log in to it between guesses at others."""
    moment, evaluated = now, 0
    while moment < now + timedelta(hours=6):
        wait = seconds_held(HERE, f"victim{evaluated}@example.com", now=moment)
        evaluated += wait == 0
        moment += timedelta(seconds=max(wait, 1))
        try:
            take_back(claim_try(request_from(HERE), alice.email, now=moment), now=moment)
        except TooManyGuesses:
            continue
    assert evaluated <= 36


@pytest.mark.django_db
def test_under_attack_from_everywhere_the_new_wait_shortly(now):
    GuessBucket.objects.create(
        key="platform", empty_at=now + 520 * timedelta(seconds=8), blocked_until=now
    )
    assert seconds_held(HERE, now=now) == 0
    assert seconds_held(ELSEWHERE, "bob@example.com", now=now) == 8
    later = now + timedelta(seconds=8)
    assert seconds_held(ELSEWHERE, "bob@example.com", now=later) == 0


@pytest.mark.django_db
def test_keys_hold_no_name_and_ipv6_counts_by_its_network(now):
    assert seconds_held("2001:db8:1:2::1", "Secret@example.com", now=now) == 0
    assert seconds_held("2001:db8:1:2:ffff::9", "secret@EXAMPLE.com", now=now) == 1
    account = digest_of("secret@example.com")
    assert sorted(GuessBucket.objects.values_list("key", flat=True)) == [
        f"account {account}",
        "address 2001:db8:1:2::/64",
        f"place {account} 2001:db8:1:2::/64",
        "platform",
    ]


@pytest.mark.django_db
def test_drained_buckets_are_forgotten(now):
    seconds_held(HERE, now=now)
    seconds_held(ELSEWHERE, "bob@example.com", now=now + timedelta(hours=2))
    assert forget_drained(now=now + timedelta(hours=23)) == 0
    assert forget_drained(now=now + timedelta(hours=24, minutes=18)) == 3
    assert forget_drained(now=now + timedelta(days=2)) == 4
    assert not GuessBucket.objects.exists()


def test_of_50_guesses_at_once_one_is_let_in(real_db, alice, now):
    answers = in_parallel(50, lambda _number: seconds_held(HERE, now=now))
    assert sorted(answers) == [0] + [1] * 49
    place = GuessBucket.objects.get(key__startswith="place")
    assert place.empty_at == now + timedelta(seconds=1024)


def test_50_guesses_at_once_from_everywhere_count_as_50(real_db, now):
    answers = in_parallel(
        50, lambda number: seconds_held(f"10.0.0.{number}", f"user{number}@example.com", now=now)
    )
    assert answers == [0] * 50
    platform = GuessBucket.objects.get(key="platform")
    assert platform.empty_at == now + 50 * timedelta(seconds=8)
    assert GuessBucket.objects.count() == 151


def test_50_accounts_at_once_from_one_address_are_five(real_db, now):
    answers = in_parallel(
        50, lambda number: seconds_held(HERE, f"user{number}@example.com", now=now)
    )
    assert sorted(answers) == [0] * 5 + [1] * 45
