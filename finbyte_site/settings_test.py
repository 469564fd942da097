"""Settings of the tests: services of the session, quick passwords."""

from finbyte_site.embedded.testing import ensure_services

ensure_services()

from finbyte_site.settings import *  # noqa: E402

FIELD_KEYS = [
    "only-for-tests-0123456789-field-key-newest",
    "only-for-tests-0123456789-field-key-older",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# WhiteNoise warns, and a warning fails a test, where the folder of collected files is missing.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
# Tests ask more in a second than people do; those of the limits set their own.
API_RATES = {budget: dict.fromkeys(spans, 10_000) for budget, spans in API_RATES.items()}
