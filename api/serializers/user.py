"""The user and his session as Kite writes them."""

from typing import Any

from rest_framework import serializers

from accounts.domain.session_rules import INDIA
from accounts.domain.tokens import new_token
from accounts.models import ApiSession
from accounts.services.api_sessions import OpenedSession
from market.domain.enums import OrderType

BROKER = "FINBYTE"
# decisions 32.
EXCHANGES = ("NSE", "BSE", "BINANCE", "BINANCEFUT")


class ProfileData(serializers.Serializer[Any]):
    """What `profile_of` returns."""

    user_id = serializers.CharField()
    user_type = serializers.ChoiceField(["individual"])
    email = serializers.EmailField()
    user_name = serializers.CharField()
    user_shortname = serializers.CharField()
    broker = serializers.CharField()
    exchanges = serializers.ListField(child=serializers.CharField())
    products = serializers.ListField(child=serializers.CharField())
    order_types = serializers.ListField(child=serializers.CharField())
    avatar_url = serializers.CharField(allow_null=True)
    meta = serializers.DictField()


class RenewalData(serializers.Serializer[Any]):
    """What `renewal_of` returns."""

    user_id = serializers.CharField()
    access_token = serializers.CharField()
    refresh_token = serializers.CharField(
        allow_blank=True, help_text="Empty where a log-in is due every day"
    )


class SessionData(ProfileData, RenewalData):
    """What `session_of` returns."""

    api_key = serializers.CharField()
    public_token = serializers.CharField()
    enctoken = serializers.CharField(allow_blank=True)
    silo = serializers.CharField(allow_blank=True)
    login_time = serializers.CharField(help_text="yyyy-mm-dd HH:MM:SS in India")


def profile_of(session: ApiSession) -> dict[str, Any]:
    """Return the user of a session, with what its app may do."""
    user = session.user
    name = user.full_name or user.public_id
    return {
        "user_id": user.public_id,
        "user_type": "individual",
        "email": user.email,
        "user_name": name,
        "user_shortname": name.split()[0],
        "broker": BROKER,
        "exchanges": list(EXCHANGES),
        "products": list(session.app.products),
        "order_types": [each.value for each in OrderType],
        "avatar_url": None,
        "meta": {"demat_consent": ""},
    }


def session_of(opened: OpenedSession) -> dict[str, Any]:
    """Return a session just opened, with its tokens."""
    return {
        **profile_of(opened.session),
        **_tokens_of(opened),
        "api_key": opened.session.app.api_key,
        # Kite's own browser sessions; no address of ours takes them.
        "public_token": new_token(),
        "enctoken": "",
        "silo": "",
        "login_time": f"{opened.session.started_at.astimezone(INDIA):%Y-%m-%d %H:%M:%S}",
    }


def renewal_of(opened: OpenedSession) -> dict[str, Any]:
    """Return a session's new tokens."""
    return {"user_id": opened.session.user.public_id, **_tokens_of(opened)}


def _tokens_of(opened: OpenedSession) -> dict[str, str]:
    return {"access_token": opened.access_token, "refresh_token": opened.refresh_token}
