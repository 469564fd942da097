from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection

from accounts.domain.factor_delays import TELL_AT
from accounts.domain.recovery import new_codes
from accounts.domain.roles import Role, SecondFactorRule
from accounts.domain.totp import new_seed
from accounts.exceptions import CodeRefused, InvalidInput, Refused, TooManyGuesses
from accounts.models import (
    AuditEvent,
    AuthenticatorApp,
    ConsoleSession,
    FactorGuesses,
    RecoveryCode,
    TrustedDevice,
    User,
)
from accounts.selectors import has_second_factor, recovery_codes_left
from accounts.services import recovery_codes, second_factor
from accounts.services.authenticators import WHAT, add_authenticator, remove_authenticator
from accounts.services.notices import NOTICES, mail_notice
from accounts.services.recovery_codes import make_recovery_codes
from accounts.services.sealed import unseal
from accounts.services.second_factor import remove_lost_factors, verify_code
from accounts.tests.api_apps import make_app, open_session
from accounts.tests.browser import Browser
from accounts.tests.factors import Phone, an_act, enrol, give_recovery_codes
from finbyte_site.tests.console import client_of

HALF_MINUTE = timedelta(seconds=30)


@pytest.fixture
def mailed():
    """Return what was handed to the mailing task: (user id, kind, values)."""
    return []


@pytest.fixture
def act(now, mailed):
    return an_act(now, lambda *call: mailed.append(call))


def later(now, **delta):
    return an_act(now + timedelta(**delta))


def verdict(user, text, act):
    try:
        verify_code(user, text, act=act)
    except (CodeRefused, TooManyGuesses) as error:
        return type(error).__name__
    return "right"


def in_parallel(count, work):
    """Run `work(index)` in so many threads that start at the same moment."""
    start = Barrier(count)

    def run(index):
        start.wait()
        try:
            return work(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.django_db
class TestAuthenticator:
    def test_a_right_code_enrols_and_counts_as_used(self, alice, act, now):
        seed = new_seed()
        add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        app = AuthenticatorApp.objects.get()
        assert (app.user, app.confirmed, app.drift) == (alice, True, 0)
        assert has_second_factor(alice)
        assert verdict(alice, Phone(seed).code(now), act) == "CodeRefused"
        assert (
            verdict(alice, Phone(seed).code(now + HALF_MINUTE), later(now, seconds=30)) == "right"
        )

    @pytest.mark.parametrize("text", ["", "12345", "abcdef", None])
    def test_a_wrong_code_enrols_nothing(self, alice, act, now, text):
        seed = new_seed()
        with pytest.raises(CodeRefused):
            add_authenticator(alice, seed, text or Phone(seed).wrong(now), act=act)
        assert not AuthenticatorApp.objects.exists()
        assert not AuditEvent.objects.exists()

    def test_the_seed_is_sealed_for_its_user(self, alice, bob, act, now):
        seed = new_seed()
        add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        enrol(bob)
        app = AuthenticatorApp.objects.get(user=alice)
        assert seed not in app.sealed_seed
        assert b32decode(seed).hex() not in app.sealed_seed
        assert unseal(app.sealed_seed, what=WHAT, user_id=alice.pk) == seed
        AuthenticatorApp.objects.filter(user=bob).update(sealed_seed=app.sealed_seed)
        with pytest.raises(CodeRefused, match="cannot be checked"):
            verify_code(bob, Phone(seed).code(now + HALF_MINUTE), act=later(now, seconds=30))

    def test_a_new_app_takes_the_place_of_the_old_one(self, alice, act, now):
        old, seed = enrol(alice), new_seed()
        add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        assert AuthenticatorApp.objects.count() == 1
        assert verdict(alice, old.code(now), act) == "CodeRefused"

    def test_an_app_whose_clock_runs_ahead_is_learnt_at_the_enrolment(self, alice, act, now):
        seed = new_seed()
        add_authenticator(alice, seed, Phone(seed).code(now, steps=1), act=act)
        assert AuthenticatorApp.objects.get().drift == 1
        in_a_minute = later(now, minutes=1)
        assert verdict(alice, Phone(seed).code(in_a_minute.now, steps=1), in_a_minute) == "right"

    def test_enrolling_tells_records_and_ends_other_sessions(
        self, alice, bob, act, now, mailed, django_capture_on_commit_callbacks
    ):
        client_of(alice), client_of(alice), client_of(bob)
        seed = new_seed()
        with django_capture_on_commit_callbacks(execute=True):
            add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        assert [call[:2] for call in mailed] == [(alice.pk, "authenticator_added")]
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor, event.client_address) == (
            "authenticator_added",
            alice,
            "203.0.113.7",
        )
        assert seed not in str(event.detail)
        assert set(ConsoleSession.objects.values_list("user", flat=True)) == {bob.pk}

    @pytest.mark.parametrize("change", ["replaced", "removed"])
    def test_a_factor_takes_the_trust_with_it_that_it_has_given(self, alice, bob, act, now, change):
        enrol(alice)
        device, others = Browser().trust(alice, now=now), Browser().trust(bob, now=now)
        made = make_app(bob, now=now)
        lived, lives = [open_session(made, user, now=now).session for user in (alice, bob)]
        if change == "replaced":
            seed = new_seed()
            add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        else:
            remove_authenticator(alice, act=act)
        device.refresh_from_db()
        others.refresh_from_db()
        assert (device.revoked_at, device.revoked_for) == (now, "second factor changed")
        assert others.revoked_at is None
        lived.refresh_from_db()
        lives.refresh_from_db()
        assert (lived.ended_at, lived.ended_for) == (now, "second factor changed")
        assert lives.ended_at is None

    def test_the_last_factor_takes_the_recovery_codes_with_it(self, alice, act, now):
        enrol(alice)
        give_recovery_codes(alice, now=now)
        remove_authenticator(alice, act=act)
        assert not has_second_factor(alice)
        assert not RecoveryCode.objects.exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"second_factor_rule": SecondFactorRule.EVERY_SESSION},
            {"role": Role.SUPPORT, "is_staff": True},
        ],
    )
    def test_who_must_have_a_factor_keeps_the_last_one(self, alice, act, now, change):
        User.objects.filter(pk=alice.pk).update(**change)
        phone = enrol(alice)
        give_recovery_codes(alice, now=now)
        client_of(alice)
        with pytest.raises(Refused, match="Add another one first"):
            remove_authenticator(alice, act=act)
        assert verdict(alice, phone.code(now), act) == "right"
        assert recovery_codes_left(alice) == 10
        assert ConsoleSession.objects.count() == 1
        assert not AuditEvent.objects.exists()


@pytest.mark.django_db
class TestCodes:
    def test_a_code_works_once(self, alice, act, now):
        phone = enrol(alice)
        assert verdict(alice, phone.code(now), act) == "right"
        assert verdict(alice, phone.code(now), later(now, seconds=2)) == "CodeRefused"

    def test_the_code_before_is_good_until_a_newer_one_was_used(self, alice, now):
        phone = enrol(alice)
        before, this = phone.code(now), phone.code(now + HALF_MINUTE)
        assert verdict(alice, before, later(now, seconds=30)) == "right"
        assert verdict(alice, before, later(now, seconds=31)) == "CodeRefused"
        assert verdict(alice, this, later(now, seconds=40)) == "right"
        # Newest first: the one before is void then.
        following, last = phone.code(now, steps=8), phone.code(now, steps=9)
        assert verdict(alice, last, later(now, seconds=270)) == "right"
        assert verdict(alice, following, later(now, seconds=271)) == "CodeRefused"

    @pytest.mark.parametrize("steps", [-3, -2, 1, 2])
    def test_older_and_future_codes_are_refused(self, alice, act, now, steps):
        phone = enrol(alice)
        assert verdict(alice, phone.code(now, steps=steps), act) == "CodeRefused"

    def test_ten_wrong_codes_delay_and_lock_nothing(self, alice, now, mailed):
        phone, at = enrol(alice), now
        for failure in range(10):
            act = an_act(at, lambda *call: mailed.append(call))
            assert verdict(alice, phone.wrong(at), act) == "CodeRefused"
            assert verdict(alice, phone.code(at), act) == "TooManyGuesses"
            at += timedelta(seconds=2**failure)
        blocked = at - timedelta(seconds=1)
        with pytest.raises(TooManyGuesses, match="Wait 1 second, then") as refusal:
            verify_code(alice, phone.code(blocked), act=an_act(blocked))
        assert refusal.value.seconds == 1
        assert FactorGuesses.objects.get().failures == 10
        assert AuditEvent.objects.filter(kind="second_factor_refused").count() == 10
        assert verdict(alice, phone.code(at), an_act(at)) == "right"
        assert FactorGuesses.objects.get().failures == 0

    def test_wrong_codes_of_one_user_do_not_delay_another(self, alice, bob, act, now):
        mine, his = enrol(alice), enrol(bob)
        assert verdict(alice, mine.wrong(now), act) == "CodeRefused"
        assert verdict(alice, his.code(now), later(now, seconds=5)) == "CodeRefused"
        assert verdict(bob, his.code(now), act) == "right"

    def test_the_fifth_wrong_code_is_told(
        self, alice, now, mailed, django_capture_on_commit_callbacks
    ):
        phone, at = enrol(alice), now
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(TELL_AT + 1):
                verdict(alice, phone.wrong(at), an_act(at, lambda *call: mailed.append(call)))
                at += timedelta(minutes=2)
        assert [(kind, values["failures"]) for _, kind, values in mailed] == [
            ("factor_guesses", "5")
        ]

    def test_what_is_no_code_at_all_is_not_counted(self, alice, act):
        enrol(alice)
        with pytest.raises(CodeRefused, match="six digits"):
            verify_code(alice, "hello", act=act)
        assert not FactorGuesses.objects.exists()

    def test_without_a_factor_every_code_is_wrong(self, alice, act):
        assert verdict(alice, "123456", act) == "CodeRefused"


@pytest.mark.django_db
class TestRecoveryCodes:
    def test_a_code_works_once_and_is_told(
        self, alice, act, now, mailed, django_capture_on_commit_callbacks
    ):
        enrol(alice)
        codes = make_recovery_codes(alice, act=act)
        with django_capture_on_commit_callbacks(execute=True):
            verify_code(alice, str(codes[3]).lower(), act=act)
        assert recovery_codes_left(alice) == 9
        ((user_id, kind, values),) = mailed
        assert (user_id, kind) == (alice.pk, "recovery_code_used")
        assert (values["slot"], values["left"]) == ("04", "9")
        assert verdict(alice, str(codes[3]), act) == "CodeRefused"
        assert verdict(alice, str(codes[4]), later(now, seconds=1)) == "right"

    def test_new_codes_make_the_old_ones_void(self, alice, act):
        enrol(alice)
        old = make_recovery_codes(alice, act=act)
        new = make_recovery_codes(alice, act=act)
        assert verdict(alice, str(new[0]), act) == "right"
        assert verdict(alice, str(old[1]), act) == "CodeRefused"
        assert RecoveryCode.objects.count() == 10

    def test_a_code_of_another_slot_or_user_is_wrong(self, alice, bob, act, now):
        enrol(alice)
        first, second, *_ = make_recovery_codes(alice, act=act)
        enrol(bob)
        swapped = f"{second.slot:02d} {first.letters}"
        assert verdict(alice, swapped, act) == "CodeRefused"
        assert verdict(bob, str(first), act) == "CodeRefused"
        assert recovery_codes_left(alice) == 10

    def test_they_stand_in_for_a_factor_only(self, alice, act):
        with pytest.raises(Refused, match="Add one first"):
            make_recovery_codes(alice, act=act)
        assert not RecoveryCode.objects.exists()

    def test_guesses_are_delayed_too(self, alice, act):
        enrol(alice)
        codes = make_recovery_codes(alice, act=act)
        wrong = f"01 {'A' * 16}"
        assert verdict(alice, wrong, act) == "CodeRefused"
        assert verdict(alice, str(codes[0]), act) == "TooManyGuesses"
        assert recovery_codes_left(alice) == 10

    def test_the_database_holds_no_usable_code(self, alice, act, now, settings, monkeypatch):
        # Two of the ten: each costs a slow hash.
        monkeypatch.setattr(recovery_codes, "new_codes", lambda: new_codes()[:2])
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
        seed = new_seed()
        add_authenticator(alice, seed, Phone(seed).code(now), act=act)
        codes = make_recovery_codes(alice, act=act)
        tables = ("authenticatorapp", "recoverycode", "factorguesses", "auditevent")
        with connection.cursor() as cursor:
            dump = ""
            for table in tables:
                cursor.execute(f"SELECT t::text FROM accounts_{table} t")  # noqa: S608
                dump += "\n".join(row[0] for row in cursor.fetchall())
        assert dump.count("argon2$argon2id$") == 2
        secrets = [seed, *(code.letters for code in codes), *(str(code) for code in codes)]
        assert [secret for secret in secrets if secret in dump] == []


class TestAtTheSameMoment:
    def test_of_100_with_one_code_one_is_right(self, real_db, alice, now, monkeypatch):
        """Without the delays, so that nothing but the locked row decides."""
        monkeypatch.setattr(second_factor, "seconds_to_wait", lambda *_, **__: 0)
        code = enrol(alice).code(now)
        verdicts = in_parallel(100, lambda _: verdict(alice, code, an_act(now)))
        assert (verdicts.count("right"), verdicts.count("CodeRefused")) == (1, 99)

    def test_of_two_rows_loaded_before_one_is_right(self, real_db, alice, now):
        code = enrol(alice).code(now)
        users = [User.objects.get(pk=alice.pk) for _ in range(2)]
        verdicts = in_parallel(2, lambda index: verdict(users[index], code, an_act(now)))
        assert verdicts.count("right") == 1

    def test_of_20_with_one_recovery_code_one_is_right(self, real_db, alice, now, monkeypatch):
        monkeypatch.setattr(second_factor, "seconds_to_wait", lambda *_, **__: 0)
        enrol(alice)
        code = str(give_recovery_codes(alice, now=now)[0])
        verdicts = in_parallel(20, lambda _: verdict(alice, code, an_act(now)))
        assert (verdicts.count("right"), verdicts.count("CodeRefused")) == (1, 19)
        assert recovery_codes_left(alice) == 9


@pytest.mark.django_db
class TestLost:
    def test_staff_take_everything_off_for_a_reason(
        self, alice, bob, staff, act, now, mailed, django_capture_on_commit_callbacks
    ):
        enrol(alice), enrol(bob)
        give_recovery_codes(alice, now=now)
        client_of(alice)
        with django_capture_on_commit_callbacks(execute=True):
            remove_lost_factors(alice, actor=staff, reason="passport seen by video", act=act)
        alice.refresh_from_db()
        assert not has_second_factor(alice)
        assert not RecoveryCode.objects.exists()
        assert not ConsoleSession.objects.for_user(alice).exists()
        assert not TrustedDevice.objects.for_user(alice).filter(revoked_at=None).exists()
        assert alice.live_hold_until == now + timedelta(hours=24)
        event = AuditEvent.objects.get(kind="second_factors_reset")
        assert (event.actor, event.on_behalf_of) == (staff, alice)
        assert event.detail == {"reason": "passport seen by video"}
        assert [call[:2] for call in mailed] == [(alice.pk, "factors_reset")]
        assert has_second_factor(bob)

    def test_without_a_reason_nothing_happens(self, alice, staff, act):
        enrol(alice)
        with pytest.raises(InvalidInput):
            remove_lost_factors(alice, actor=staff, reason="  ", act=act)
        assert has_second_factor(alice)
        assert not AuditEvent.objects.exists()


@pytest.mark.django_db
# "told" is not about security: its words come from whoever was asked to watch.
@pytest.mark.parametrize("kind", sorted(NOTICES.keys() - {"told"}))
def test_every_notice_says_what_when_and_from_where(alice, now, kind):
    values = {"name": "Key {x}", "rest": "Rest.", "slot": "04", "left": "9", "failures": "5"}
    mail_notice(alice.pk, kind, {**values, "at": now.isoformat(), "address": "203.0.113.7"})
    (message,) = mail.outbox
    assert message.to == [alice.email]
    assert message.subject == NOTICES[kind].subject
    assert "02 Mar 2026, 10:00 (Asia/Kolkata)" in message.body
    assert "203.0.113.7" in message.body
    assert "/console/account/security" in message.body
