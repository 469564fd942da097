"""Django settings; everything that differs between copies comes from the environment."""

import sys
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from api.openapi_settings import SETTINGS as OPENAPI
from finbyte_site import env
from finbyte_site.logging import LEVELS, logging_settings

env.load_environment()

BASE_DIR = env.BASE_DIR
VAR_DIR = env.var_dir()
PRODUCTION = env.flag("FINBYTE_PRODUCTION", default=False)
DEBUG = env.flag("FINBYTE_DEBUG", default=False)
INSECURE_LAN = env.flag("FINBYTE_INSECURE_LAN", default=False)
PORT = env.integer("PORT", default=8000, low=1, high=65535)
_PUBLIC = env.public_address(
    "PUBLIC_URL", default=f"http://127.0.0.1:{PORT}", lan=INSECURE_LAN and not PRODUCTION
)
PUBLIC_URL = _PUBLIC.geturl().rstrip("/")
_HTTPS = _PUBLIC.scheme == "https"
# How many proxies of ours stand before the web process: so many entries of X-Forwarded-For count.
TRUSTED_PROXIES = env.integer("FINBYTE_TRUSTED_PROXIES", default=0, low=0, high=5)
if PRODUCTION:
    env.refuse_generated("SECRET_KEY", "FIELD_KEYS")
    if not _HTTPS:
        raise env.SettingError("PUBLIC_URL must be https:// in production.")
    if DEBUG:
        raise env.SettingError("FINBYTE_DEBUG must be 0 in production.")
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS", default=[])
FIELD_KEYS = env.names("FIELD_KEYS", default=[])
ALLOWED_HOSTS = env.names(
    "ALLOWED_HOSTS",
    default=[str(_PUBLIC.hostname), *([] if PRODUCTION else ["127.0.0.1", "localhost", "[::1]"])],
)

INSTALLED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",
    "finbyte_site.admin_app.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_otp",
    "django_otp_webauthn",
    "axes",
    "csp",
    "accounts",
    "market",
    "portfolio",
    "bots",
    "api",
    "finbyte_site",
]
MIDDLEWARE = [
    "finbyte_site.headers.HeadersMiddleware",
    "api.middleware.ApiEnvelopeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "finbyte_site.headers.PolicyMiddleware",
    "finbyte_site.middleware.SameSiteMiddleware",
    "finbyte_site.middleware.RequestLimitsMiddleware",
    "finbyte_site.middleware.StorableTextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SessionRulesMiddleware",
    "accounts.middleware.DeviceCookieMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.viewing_middleware.ViewingMiddleware",
    "finbyte_site.page_events.PageEventsMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "finbyte_site.urls"
ASGI_APPLICATION = "finbyte_site.asgi.application"
WSGI_APPLICATION = "finbyte_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "finbyte_site.context.console",
            ],
        },
    },
]

# The owner role migrates, the app role runs (decisions 42).
_OWNER_COMMANDS = {"migrate", "makemigrations", "sqlmigrate", "flush"}
_AS_OWNER = len(sys.argv) > 1 and sys.argv[1] in _OWNER_COMMANDS
_DATABASE_URL = "DATABASE_URL"
if _AS_OWNER and env.text("DATABASE_OWNER_URL", default=""):
    _DATABASE_URL = "DATABASE_OWNER_URL"
_POOL_SIZE = env.integer("FINBYTE_POOL_SIZE", default=8, low=0, high=50)
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **env.database(_DATABASE_URL),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {
            **(
                {"pool": {"min_size": 1, "max_size": _POOL_SIZE, "timeout": 10}}
                if _POOL_SIZE
                else {}
            ),
            "options": env.text("FINBYTE_PG_OPTIONS", default="-c timezone=UTC"),
            # At once, but only what `prepared_cursor` sends: nothing else can be prepared.
            "prepare_threshold": 0,
        },
    }
}
DATABASE_APP_ROLE = env.text("DATABASE_APP_ROLE", default="finbyte_app")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_address("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "accounts.backends.RoleBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# axes tells the guard of every log-in; our own buckets say who has to wait (accounts.guesses).
AXES_HANDLER = "accounts.log_in_guard.LogInGuard"
AXES_CLIENT_IP_CALLABLE = "accounts.log_in_guard.address_of"
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCK_OUT_AT_FAILURE = False
AXES_COOLOFF_TIME = timedelta(days=30)
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# Passkeys belong to a name, never to a number: on a loopback copy they work at localhost.
OTP_WEBAUTHN_RP_NAME = "FinByte"
OTP_WEBAUTHN_RP_ID = "localhost" if env.is_loopback(_PUBLIC.hostname) else str(_PUBLIC.hostname)
OTP_WEBAUTHN_ALLOWED_ORIGINS = [
    PUBLIC_URL.replace(_PUBLIC.netloc, f"localhost:{_PUBLIC.port or PORT}")
    if env.is_loopback(_PUBLIC.hostname)
    else PUBLIC_URL
]
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = False
PASSWORD_RESET_TIMEOUT = 3600
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "full_name", "public_id")},
    },
    {"NAME": "accounts.password_validation.OwnWordsValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "accounts.password_validation.GuessableValidator"},
]
LOGIN_URL = "accounts:log-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:log-in"
EMAIL_BACKEND = env.text("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default="FinByte <no-reply@finbyte.local>")

SESSION_COOKIE_NAME = "__Host-finbyte_session" if _HTTPS else "finbyte_session"
DEVICE_COOKIE_NAME = "__Host-finbyte_device" if _HTTPS else "finbyte_device"
CSRF_COOKIE_NAME = "__Host-finbyte_csrf" if _HTTPS else "finbyte_csrf"
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
# Sessions end by their stamp (accounts.domain.session_rules), anonymous ones after this long.
SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_AGE = 3600
# Called with the ids of users one of whose sessions has ended: their sockets are looked at again.
ON_SESSIONS_ENDED = "market.streams.recheck_access"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = _HTTPS
# The supervisor asks over loopback.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
X_FRAME_OPTIONS = "DENY"
# The socket is named beside 'self' for browsers whose 'self' does not cover it.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "connect-src": ["'self'", f"{'wss' if _HTTPS else 'ws'}://{_PUBLIC.netloc}"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "upgrade-insecure-requests": _HTTPS,
    },
}
# What unfold's pages need on top, under /admin/ only: see docs/operations.md.
ADMIN_CSP = {
    "script-src": ["'self'", "'unsafe-eval'"],
    "style-src-attr": ["'unsafe-inline'"],
}

UNFOLD = {
    "SITE_TITLE": "FinByte administration",
    "SITE_HEADER": "FinByte administration",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/img/favicon.svg"}],
    # Its colours, the console's blue among them, are in that file.
    "STYLES": ["/static/css/admin.css"],
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
_STATIC = BASE_DIR / "static"
# static/src holds sources and packages for the build; it is never served.
STATICFILES_DIRS = [
    (name, _STATIC / name) for name in ("css", "dist", "img", "js") if (_STATIC / name).is_dir()
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# No other site's page reads our files.
WHITENOISE_ALLOW_ALL_ORIGINS = False
# A running copy serves what it collected at its start; by hand or in tests, the sources serve.
WHITENOISE_USE_FINDERS = DEBUG or not env.text("FINBYTE_COPY", default="")
# Collected files are as private as the rest of the copy: the umask decides.
FILE_UPLOAD_PERMISSIONS = None
APPEND_SLASH = False
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "api.openapi.ApiSchema"}
SPECTACULAR_SETTINGS = OPENAPI
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
# A thousand instruments fit into one question for prices, and too many are told so in our words.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# What one api_key may ask for, in any second or minute and in a trading day (api.budgets).
API_RATES = {
    budget: {
        span: env.integer(
            f"FINBYTE_API_{budget}_PER_{span}".upper(), default=limit, low=1, high=high
        )
        for span, limit, high in spans
    }
    for budget, spans in {
        "orders": [("second", 10, 1000), ("minute", 400, 10_000), ("day", 5000, 10_000_000)],
        "cancels": [("second", 10, 1000)],
        "historical": [("second", 3, 1000)],
        "other": [("second", 10, 1000)],
    }.items()
}

# How many triggers an account, and alerts a user, may have waiting at once.
GTT_MOST_ACTIVE = env.integer("FINBYTE_GTT_MOST_ACTIVE", default=100, low=1, high=10_000)
ALERTS_MOST_ENABLED = env.integer("FINBYTE_ALERTS_MOST_ENABLED", default=100, low=1, high=10_000)

# How many days of candles one request may ask for, two calendar months of minutes at least.
CANDLE_DAYS = {
    interval: env.integer(
        f"FINBYTE_CANDLE_DAYS_{interval}".upper(), default=days, low=1, high=40_000
    )
    for interval, days in {
        "minute": 62,
        "3minute": 100,
        "5minute": 100,
        "10minute": 100,
        "15minute": 200,
        "30minute": 200,
        "60minute": 400,
        "day": 2000,
    }.items()
}

# Where venues are asked about keys; plain http on this machine only.
VENUE_ADDRESSES = {
    venue: env.public_address(setting, default=address, lan=False).geturl().rstrip("/")
    for venue, setting, address in (
        ("BINANCE_TESTNET", "BINANCE_TESTNET_URL", "https://testnet.binance.vision"),
        ("BINANCEFUT_TESTNET", "BINANCEFUT_TESTNET_URL", "https://testnet.binancefuture.com"),
    )
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_MAX_TASKS_PER_CHILD = 50_000

DEMO = (
    env.flag("FINBYTE_DEMO", default=True) and not PRODUCTION and env.is_loopback(_PUBLIC.hostname)
)
_SECRETS = [
    SECRET_KEY,
    *SECRET_KEY_FALLBACKS,
    *FIELD_KEYS,
    DATABASES["default"]["PASSWORD"],
    unquote(urlsplit(REDIS_URL).password or ""),
]
LOGGING = logging_settings(
    level=env.choice("FINBYTE_LOG_LEVEL", default="INFO", choices=LEVELS), known=_SECRETS
)
