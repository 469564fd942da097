"""Models of the accounts app."""

from accounts.models.api_apps import ApiApp, ApiSession, RequestToken
from accounts.models.audit import AuditEvent
from accounts.models.delegations import Delegation
from accounts.models.devices import DeviceToken, LogInPlace, TrustedAddress, TrustedDevice
from accounts.models.guesses import GuessBucket
from accounts.models.postback_receivers import PostbackReceiver
from accounts.models.second_factors import AuthenticatorApp, FactorGuesses, RecoveryCode
from accounts.models.sessions import ConsoleSession
from accounts.models.users import User

__all__ = [
    "ApiApp",
    "ApiSession",
    "AuditEvent",
    "AuthenticatorApp",
    "ConsoleSession",
    "Delegation",
    "DeviceToken",
    "FactorGuesses",
    "GuessBucket",
    "LogInPlace",
    "PostbackReceiver",
    "RecoveryCode",
    "RequestToken",
    "TrustedAddress",
    "TrustedDevice",
    "User",
]
