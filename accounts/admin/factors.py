"""Second factors for staff: that they are there and when they were used, never what they are."""

from django.contrib import admin
from django_otp_webauthn.models import WebAuthnCredential

from accounts.admin_base import ReadOnlyAdmin
from accounts.models import AuthenticatorApp, FactorGuesses, RecoveryCode

# The package's own page shows keys and deletes rows.
if admin.site.is_registered(WebAuthnCredential):
    admin.site.unregister(WebAuthnCredential)


@admin.register(AuthenticatorApp)
class AuthenticatorAppAdmin(ReadOnlyAdmin):
    """Authenticator apps."""

    list_display = ("id", "user", "name", "confirmed", "created_at", "last_used_at")
    list_filter = ("confirmed",)
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin):
    """Recovery codes: when they were made and used."""

    list_display = ("id", "user", "made_at", "used_at")
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-pk",)
    fields = list_display[1:]


@admin.register(FactorGuesses)
class FactorGuessesAdmin(ReadOnlyAdmin):
    """Wrong codes in a row."""

    list_display = ("user", "failures", "failed_at")
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-failed_at",)
    fields = list_display


@admin.register(WebAuthnCredential)
class PasskeyAdmin(ReadOnlyAdmin):
    """Passkeys."""

    list_display = ("id", "user", "name", "confirmed", "created_at", "last_used_at")
    list_filter = ("confirmed",)
    list_select_related = ("user",)
    search_fields = ("=user__public_id", "=user__email")
    ordering = ("-pk",)
    fields = list_display[1:]
