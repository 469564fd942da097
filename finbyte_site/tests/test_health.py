"""/healthz is green only when every part is, and says which is not."""

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import RequestFactory

from finbyte_site import health
from market import streams


def ask():
    response = health.healthz(RequestFactory().get("/healthz"))
    return response.status_code, json.loads(response.content)


@pytest.mark.django_db
def test_all_alive_is_200_and_names_every_part(redis_client):
    for name in streams.PROCESSES:
        streams.beat(redis_client, name)
    status, report = ask()
    assert (status, report["status"]) == (200, "ok")
    assert set(report["processes"]) == {"web", "worker", "beat", "feed", "gateway"}
    assert all(part["ok"] and part["age"] < 5 for part in report["processes"].values())
    assert report["database"]["ok"]
    assert report["redis"]["ok"]


@pytest.mark.django_db
def test_a_silent_process_is_503_and_named(redis_client):
    for name in ("worker", "beat", "gateway"):
        streams.beat(redis_client, name)
    status, report = ask()
    assert (status, report["status"]) == (503, "failing")
    assert [name for name, part in report["processes"].items() if not part["ok"]] == ["feed"]
    assert report["processes"]["feed"]["age"] is None


def test_an_old_sign_of_life_is_not_one(now):
    beats = {"feed": now - timedelta(seconds=11), "beat": now - timedelta(seconds=10)}
    assert health.process_health(beats, "feed", now) == {"ok": False, "age": 11.0}
    assert health.process_health(beats, "beat", now) == {"ok": True, "age": 10.0}


@pytest.mark.django_db
def test_redis_away_is_503_without_its_address(settings):
    settings.REDIS_URL = "redis://:very-secret@127.0.0.1:1/0"
    status, report = ask()
    assert status == 503
    assert report["redis"] == {"ok": False, "error": "ConnectionError"}
    assert report["database"]["ok"]


def test_the_database_away_is_503(monkeypatch, redis_client):
    def fail() -> None:
        raise DatabaseError("connection to a secret place failed")

    monkeypatch.setattr(health, "_ask_database", fail)
    status, report = ask()
    assert status == 503
    assert report["database"] == {"ok": False, "error": "DatabaseError"}
    assert report["redis"]["ok"]
