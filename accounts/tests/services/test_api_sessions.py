from datetime import UTC, datetime, timedelta

import pytest

from accounts.domain.roles import SecondFactorRule
from accounts.exceptions import ChecksumRefused, NotFound, Refused, TokenRefused
from accounts.models import ApiSession, AuditEvent, RequestToken, User
from accounts.services.api_sessions import (
    SignedRequest,
    authenticate,
    end_all,
    end_session,
    exchange,
    log_out,
    renew,
)
from accounts.services.connect import LogInRequest, app_of, decline
from accounts.services.sessions import end_sessions
from accounts.tests.api_apps import agree, make_app, open_console, open_session

pytestmark = pytest.mark.django_db

# 06:00 in India on the day after the tests' `now`.
ROLL = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


@pytest.fixture
def made(alice, now):
    return make_app(alice, now=now)


def by(made, opened, now):
    return authenticate(
        made.app.api_key, opened.access_token, client_address="203.0.113.7", now=now
    )


def every_session(user):
    User.objects.filter(pk=user.pk).update(second_factor_rule=SecondFactorRule.EVERY_SESSION)
    user.refresh_from_db()


def test_only_digests_are_kept(made, bob, now):
    token = agree(made, bob, now=now)
    opened = exchange(made.signed(token), now=now)
    assert len(opened.access_token) == 43
    row, used = ApiSession.objects.get(), RequestToken.objects.get()
    kept = repr(row.__dict__) + repr(used.__dict__) + repr(list(AuditEvent.objects.values()))
    for secret in (token, opened.access_token, opened.refresh_token):
        assert secret
        assert secret not in kept
    assert (len(row.access_digest), len(row.refresh_digest), len(used.digest)) == (64, 64, 64)


def test_a_secret_whose_key_is_lost_is_a_refusal(made, bob, now, settings):
    token = agree(made, bob, now=now)
    settings.FIELD_KEYS = ["another key " * 3]
    with pytest.raises(ChecksumRefused, match="Make a new one"):
        exchange(made.signed(token), now=now)
    assert not ApiSession.objects.exists()
    assert RequestToken.objects.get().used_at is None


def test_one_query_and_a_note_once_a_minute(made, bob, now, django_assert_num_queries):
    opened = open_session(made, bob, now=now)
    with django_assert_num_queries(2):
        session = by(made, opened, now)
    with django_assert_num_queries(1):
        by(made, opened, now + timedelta(seconds=59))
    session.refresh_from_db()
    assert (session.seen_at, session.address) == (now, "203.0.113.7")
    with django_assert_num_queries(2):
        by(made, opened, now + timedelta(seconds=60))
    assert ApiSession.objects.get().seen_at == now + timedelta(seconds=60)


def test_it_ends_at_six_in_india_without_any_job(made, bob, now):
    opened = open_session(made, bob, now=now)
    assert opened.session.expires_at == ROLL
    assert by(made, opened, ROLL - timedelta(seconds=1)).user == bob
    with pytest.raises(TokenRefused):
        by(made, opened, ROLL)
    assert ApiSession.objects.get().ended_at is None


def test_a_token_works_once(made, bob, now):
    token = agree(made, bob, now=now)
    exchange(made.signed(token), now=now)
    with pytest.raises(TokenRefused):
        exchange(made.signed(token), now=now)
    assert ApiSession.objects.count() == 1


@pytest.mark.parametrize(("seconds", "goes_on"), [(30, True), (31, False)])
def test_a_used_token_seen_after_a_retry_would_ends_its_session(made, bob, now, seconds, goes_on):
    token = agree(made, bob, now=now)
    opened = exchange(made.signed(token), now=now).session
    with pytest.raises(TokenRefused):
        exchange(made.signed(token), now=now + timedelta(seconds=seconds))
    opened.refresh_from_db()
    assert (opened.ended_at is None) is goes_on
    assert AuditEvent.objects.filter(kind="api_session_reuse").exists() is not goes_on


def test_a_used_token_ends_no_later_session(made, bob, now):
    first, second = agree(made, bob, now=now), agree(made, bob, now=now)
    exchange(made.signed(first), now=now)
    later = exchange(made.signed(second), now=now + timedelta(seconds=60)).session
    with pytest.raises(TokenRefused):
        exchange(made.signed(first), now=now + timedelta(seconds=120))
    later.refresh_from_db()
    assert later.ended_at is None


def test_five_minutes(made, bob, now):
    token = agree(made, bob, now=now)
    with pytest.raises(TokenRefused):
        exchange(made.signed(token), now=now + timedelta(minutes=5))
    exchange(made.signed(token), now=now + timedelta(minutes=5, seconds=-1))


def test_a_token_is_its_apps(made, alice, bob, now):
    other = make_app(alice, now=now, name="Other")
    token = agree(made, bob, now=now)
    with pytest.raises(TokenRefused):
        exchange(other.signed(token), now=now)
    assert exchange(made.signed(token), now=now).session.user == bob


def test_a_token_dies_with_its_console_session(made, bob, now):
    token = agree(made, bob, now=now)
    end_sessions(bob)
    with pytest.raises(TokenRefused):
        exchange(made.signed(token), now=now)
    assert not ApiSession.objects.exists()


def test_a_console_session_of_somebody_else_does_not_carry_a_token(made, alice, bob, now):
    token = agree(made, bob, now=now, session_id=open_console(alice, now=now))
    with pytest.raises(TokenRefused):
        exchange(made.signed(token), now=now)


def test_a_wrong_checksum_uses_nothing_up(made, bob, now):
    token = agree(made, bob, now=now)
    right = made.signed(token)
    for wrong in ("", "0" * 64, right.checksum.upper(), right.checksum[:-1], "\u00e9" * 64):
        with pytest.raises(ChecksumRefused):
            exchange(SignedRequest(right.api_key, token, wrong, None), now=now)
    exchange(right, now=now)


def test_no_flipped_bit_passes(made, bob, now):
    token = agree(made, bob, now=now)
    right = made.signed(token)
    passed = 0
    for number in range(1000):
        digits = bytearray.fromhex(right.checksum)
        # 256 bits singly, then pairs.
        digits[number % 32] ^= 1 << (number // 32 % 8)
        if number >= 256:
            digits[(number * 7 + 1) % 32] ^= 1 << (number % 7)
        if digits.hex() == right.checksum:
            digits[0] ^= 1
        try:
            exchange(SignedRequest(right.api_key, token, digits.hex(), None), now=now)
            passed += 1
        except ChecksumRefused:
            pass
    assert passed == 0
    assert not ApiSession.objects.exists()
    assert RequestToken.objects.get().used_at is None


def test_a_new_log_in_ends_the_older_session(made, alice, bob, now):
    first, others = open_session(made, bob, now=now), open_session(made, alice, now=now)
    second = open_session(made, bob, now=now + timedelta(hours=1))
    with pytest.raises(TokenRefused):
        by(made, first, now)
    assert by(made, second, now).user == bob
    assert by(made, others, now).user == alice
    first.session.refresh_from_db()
    assert first.session.ended_for == "a newer log-in"


def test_neither_key_nor_token_alone(made, alice, bob, now):
    other = make_app(alice, now=now, name="Other")
    opened = open_session(made, bob, now=now)
    for key, token in (
        (other.app.api_key, opened.access_token),
        (made.app.api_key, opened.session.access_digest),
        (made.app.api_key, opened.refresh_token),
        (made.app.api_key, ""),
    ):
        with pytest.raises(TokenRefused):
            authenticate(key, token, client_address=None, now=now)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_suspended_people_have_no_sessions(made, alice, bob, now, who):
    opened = open_session(made, bob, now=now)
    pending = agree(made, bob, now=now)
    User.objects.filter(email=f"{who}@example.com").update(is_active=False)
    with pytest.raises(TokenRefused):
        by(made, opened, now)
    with pytest.raises(TokenRefused):
        exchange(made.signed(pending), now=now)
    with pytest.raises(TokenRefused):
        renew(made.signed(opened.refresh_token), now=now)


def test_renewal_rotates_both_tokens(made, bob, now):
    opened = open_session(made, bob, now=now)
    later = ROLL + timedelta(hours=1)
    renewed = renew(made.signed(opened.refresh_token), now=later)
    assert renewed.session.pk == opened.session.pk
    assert renewed.session.expires_at == ROLL + timedelta(days=1)
    assert by(made, renewed, later).user == bob
    with pytest.raises(TokenRefused):
        by(made, opened, later)


def test_a_used_refresh_token_ends_the_session(made, bob, now):
    opened = open_session(made, bob, now=now)
    renewed = renew(made.signed(opened.refresh_token), now=now)
    with pytest.raises(TokenRefused):
        renew(made.signed(opened.refresh_token), now=now)
    with pytest.raises(TokenRefused):
        by(made, renewed, now)
    with pytest.raises(TokenRefused):
        renew(made.signed(renewed.refresh_token), now=now)
    assert ApiSession.objects.get().ended_for == "a used refresh token was seen again"
    assert AuditEvent.objects.order_by("pk").last().kind == "api_session_reuse"


def test_renewal_wants_the_secret(made, bob, now):
    opened = open_session(made, bob, now=now)
    forged = SignedRequest(made.app.api_key, opened.refresh_token, "0" * 64, None)
    with pytest.raises(ChecksumRefused):
        renew(forged, now=now)
    assert by(made, opened, now).user == bob


@pytest.mark.parametrize(
    "token", ["", "1", "x.y", "0.abc", "99999999999999999999." + "a" * 43, "1." + "a" * 43 + "\n"]
)
def test_refresh_tokens_that_are_none(made, bob, now, token):
    opened = open_session(made, bob, now=now)
    with pytest.raises(TokenRefused):
        renew(made.signed(token), now=now)
    assert by(made, opened, now).user == bob


def test_thirty_days_from_the_log_in(made, bob, now):
    opened = open_session(made, bob, now=now)
    last = now + timedelta(days=30, seconds=-1)
    renewed = renew(made.signed(opened.refresh_token), now=last)
    with pytest.raises(TokenRefused):
        renew(made.signed(renewed.refresh_token), now=now + timedelta(days=30))


def test_live_accounts_log_in_every_day(made, bob, now):
    before = open_session(made, bob, now=now)
    every_session(bob)
    with pytest.raises(TokenRefused):
        renew(made.signed(before.refresh_token), now=now)
    assert open_session(made, bob, now=now).refresh_token == ""


def test_log_out(made, bob, now):
    for proof in ("access_token", "refresh_token"):
        opened = open_session(made, bob, now=now)
        log_out(made.app.api_key, client_address=None, now=now, **{proof: getattr(opened, proof)})
        with pytest.raises(TokenRefused):
            by(made, opened, now)
        with pytest.raises(TokenRefused):
            log_out(
                made.app.api_key, client_address=None, now=now, **{proof: getattr(opened, proof)}
            )
    assert AuditEvent.objects.filter(kind="api_session_log_out").count() == 2


def test_end_one_on_the_page(made, alice, bob, now):
    opened = open_session(made, bob, now=now)
    assert end_session(opened.session, actor=alice, client_address=None, now=now)
    assert not end_session(opened.session, actor=alice, client_address=None, now=now)
    event = AuditEvent.objects.get(kind="api_session_end")
    assert (event.actor, event.on_behalf_of) == (alice, bob)


def test_end_all_of_one_user(made, alice, bob, now):
    mine, his = open_session(made, alice, now=now), open_session(made, bob, now=now)
    pending = agree(made, bob, now=now)
    assert end_all(bob, reason="the password was changed", now=now) == 1
    with pytest.raises(TokenRefused):
        by(made, his, now)
    with pytest.raises(TokenRefused):
        exchange(made.signed(pending), now=now)
    assert by(made, mine, now).user == alice
    assert end_all(bob, reason="x", now=now) == 0
    his.session.refresh_from_db()
    assert his.session.ended_for == "the password was changed"


def test_the_app_that_asks(made, alice, now):
    assert app_of(LogInRequest(made.app.api_key)) == made.app
    User.objects.filter(pk=alice.pk).update(is_active=False)
    for key in ("", "nothing", made.app.api_key):
        with pytest.raises(NotFound):
            app_of(LogInRequest(key))


def test_declining_gives_no_token(made, bob, now):
    address = decline(bob, LogInRequest(made.app.api_key, state="s"), client_address=None, now=now)
    assert address == "https://bots.example.com/cb?action=login&status=cancelled&state=s"
    assert not RequestToken.objects.exists()
    assert AuditEvent.objects.order_by("pk").last().kind == "api_consent_declined"


def test_old_tokens_are_swept(made, bob, now):
    agree(made, bob, now=now)
    agree(made, bob, now=now + timedelta(minutes=6))
    assert RequestToken.objects.count() == 1


def test_thirty_log_ins_in_five_minutes_and_no_more(made, alice, bob, now):
    session_id = open_console(bob, now=now)
    for _ in range(30):
        agree(made, bob, now=now, session_id=session_id)
    with pytest.raises(Refused, match="five minutes"):
        agree(made, bob, now=now, session_id=session_id)
    agree(made, alice, now=now)
    assert RequestToken.objects.for_user(bob).count() == 30
    agree(made, bob, now=now + timedelta(minutes=5), session_id=session_id)


def test_a_live_user_is_not_sent_over_plain_http(alice, bob, now):
    made = make_app(alice, now=now, redirect_url="http://127.0.0.1:5000/")
    agree(made, bob, now=now)
    every_session(bob)
    with pytest.raises(Refused, match="unencrypted"):
        agree(made, bob, now=now)
    assert RequestToken.objects.count() == 1
