from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from accounts.domain.audit_chain import FIRST_HASH, AuditContent, event_hash

CONTENT = AuditContent(
    actor=1,
    on_behalf_of=2,
    kind="log_in",
    target="FB0001",
    detail={"a": [1, True, None, {"b": "c"}]},
    client_address="127.0.0.1",
    at=datetime(2026, 3, 2, 4, 30, tzinfo=UTC),
)


def test_the_hash_of_an_event_never_changes():
    # Written down once: a change of this value breaks every chain that exists.
    assert event_hash(FIRST_HASH, CONTENT) == (
        "99a35af34c843a5cade290b033eed3a624f0e985bc251cfab381494fa9d35545"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"actor": None},
        {"on_behalf_of": 1},
        {"kind": "log_out"},
        {"target": "FB0002"},
        {"detail": {"a": [1, True, None, {"b": "d"}]}},
        {"client_address": None},
        {"at": CONTENT.at + timedelta(microseconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_counts(change):
    assert event_hash(FIRST_HASH, replace(CONTENT, **change)) != event_hash(FIRST_HASH, CONTENT)


def test_the_place_in_the_chain_counts():
    assert event_hash("1" * 64, CONTENT) != event_hash(FIRST_HASH, CONTENT)


def test_the_zone_of_the_time_does_not_count():
    india = timezone(timedelta(hours=5, minutes=30))
    same = replace(CONTENT, at=CONTENT.at.astimezone(india))
    assert event_hash(FIRST_HASH, same) == event_hash(FIRST_HASH, CONTENT)


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="needs a zone"):
        event_hash(FIRST_HASH, replace(CONTENT, at=datetime(2026, 3, 2)))  # noqa: DTZ001


@pytest.mark.parametrize("detail", [{"price": 1.5}, {"a": [{"b": 1e16}]}, {1: "a"}])
def test_a_detail_that_jsonb_may_spell_otherwise_is_refused(detail):
    with pytest.raises(TypeError):
        event_hash(FIRST_HASH, replace(CONTENT, detail=detail))
