"""PostgreSQL and Redis of a running copy: the embedded ones unless addresses are given."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from finbyte_site.embedded.layout import Layout
from finbyte_site.embedded.postgres import (
    APP_ROLE,
    OWNER_ROLE,
    Postgres,
    create_cluster,
    embedded_postgres,
    ensure_roles,
    start_postgres,
    stop_postgres,
)
from finbyte_site.embedded.redis import RedisServer, find_program, start_redis, stop_redis
from finbyte_site.embedded.runtime import kept_secret


@dataclass(frozen=True, slots=True)
class Services:
    """What was started for the copy, and the addresses that its processes use."""

    postgres: Postgres | None
    redis: RedisServer | None
    addresses: dict[str, str]


def start_services(layout: Layout, previous: dict[str, str]) -> Services:
    """Start what the environment does not give; a server that still runs is kept."""
    addresses: dict[str, str] = {}
    postgres = None
    if not os.environ.get("DATABASE_URL"):
        postgres = embedded_postgres(layout)
        addresses |= _start_postgres(layout, postgres)
    redis = None
    if not os.environ.get("REDIS_URL"):
        redis = start_redis(
            layout, kept_secret(layout, "redis"), port=_port(previous.get("REDIS_URL", ""))
        )
        addresses["REDIS_URL"] = redis.url
    return Services(postgres, redis, addresses)


def _start_postgres(layout: Layout, server: Postgres) -> dict[str, str]:
    superuser, owner, app = (
        kept_secret(layout, name) for name in ("postgres", OWNER_ROLE, APP_ROLE)
    )
    create_cluster(server, superuser)
    start_postgres(server, log=layout.logs / "postgresql.log")
    ensure_roles(server, superuser=superuser, owner=owner, app=app)
    return {
        "DATABASE_URL": server.url(APP_ROLE, app),
        "DATABASE_OWNER_URL": server.url(OWNER_ROLE, owner),
        "DATABASE_APP_ROLE": APP_ROLE,
    }


def stop_services(services: Services) -> None:
    """Stop what `start_services` started, Redis first: PostgreSQL is the truth."""
    if services.redis is not None:
        stop_redis(services.redis)
    if services.postgres is not None:
        stop_postgres(services.postgres)


def left_services(layout: Layout) -> Services:
    """Return servers that a killed supervisor left running."""
    server = embedded_postgres(layout)
    redis = RedisServer(find_program(layout.user), layout.services / "redis", 0, "", layout.user)
    return Services(server, redis, {})


def _port(url: str) -> int:
    return urlsplit(url).port or 0 if url else 0
