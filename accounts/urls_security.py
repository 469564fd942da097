"""Addresses of the second factor: the log-in's second step, the step-up, and what is enrolled."""

from django.urls import path

from accounts.tasks import send_notice
from accounts.views.authenticator import authenticator_add, authenticator_remove
from accounts.views.confirm import confirm, confirm_passkey_begin, confirm_passkey_complete
from accounts.views.passkeys import (
    passkey_begin,
    passkey_complete,
    passkey_remove,
    passkey_rename,
    passkeys,
)
from accounts.views.recovery_codes import recovery_codes
from accounts.views.second_factor import (
    second_factor,
    second_factor_passkey_begin,
    second_factor_passkey_complete,
)
from accounts.views.security import security

_NOTICES = {"enqueue": send_notice.delay}
urlpatterns = [
    path("second-factor", second_factor, _NOTICES, name="second-factor"),
    path(
        "second-factor/passkey/begin",
        second_factor_passkey_begin,
        name="second-factor-passkey-begin",
    ),
    path(
        "second-factor/passkey/complete",
        second_factor_passkey_complete,
        _NOTICES,
        name="second-factor-passkey-complete",
    ),
    path("confirm", confirm, _NOTICES, name="confirm"),
    path("confirm/passkey/begin", confirm_passkey_begin, name="confirm-passkey-begin"),
    path(
        "confirm/passkey/complete",
        confirm_passkey_complete,
        _NOTICES,
        name="confirm-passkey-complete",
    ),
    path("security", security, name="security"),
    path("authenticator/add", authenticator_add, _NOTICES, name="authenticator-add"),
    path("authenticator/remove", authenticator_remove, _NOTICES, name="authenticator-remove"),
    path("recovery-codes", recovery_codes, _NOTICES, name="recovery-codes"),
    path("passkeys", passkeys, name="passkeys"),
    path("passkeys/begin", passkey_begin, name="passkey-begin"),
    path("passkeys/complete", passkey_complete, _NOTICES, name="passkey-complete"),
    path("passkeys/<int:passkey_id>/rename", passkey_rename, name="passkey-rename"),
    path("passkeys/<int:passkey_id>/remove", passkey_remove, _NOTICES, name="passkey-remove"),
]
