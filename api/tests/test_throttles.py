"""Rate limits: exact over any sliding second, shared by processes, and what happens without Redis."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from api import throttles
from api.budgets import Rate, Span, Window, windows_of
from api.envelope import success
from api.tests.desk import make_desk
from api.throttles import RateLog
from api.views.base import ApiView

DEAD_REDIS = "redis://127.0.0.1:1/0"
SECOND = 1_000_000
NORMAL = {
    "orders": {"second": 10, "minute": 400, "day": 5000},
    "cancels": {"second": 10},
    "historical": {"second": 3},
    "other": {"second": 10},
}
# By the minute: a slow machine does not get through them in a second.
SLOW = {
    "orders": {"minute": 10},
    "cancels": {"minute": 10},
    "historical": {"minute": 3},
    "other": {"minute": 10},
}


class Orders(ApiView):
    """An address with budgets of its own, as /orders has them."""

    rates = {"POST": Rate.ORDERS, "DELETE": Rate.CANCELS, "PUT": Rate.HISTORICAL}

    def get(self, request) -> HttpResponse:
        return success(data=True)

    post = delete = put = get


@pytest.fixture
def log(redis_client):
    return RateLog(redis_client)


@pytest.fixture
def limits(settings):
    settings.API_RATES = SLOW


@pytest.fixture
def desk(alice):
    return make_desk(alice, now=timezone.now())


def ask(desk, method="get"):
    request = getattr(RequestFactory(), method)("/orders/regular", headers=desk.headers)
    return Orders.as_view()(request)


def statuses(desk, method, times):
    return [ask(desk, method).status_code for _ in range(times)]


def most_in_a_second(times):
    """Return how many requests there are at most in any [t, t + 1 s)."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= SECOND:
            first += 1
        most = max(most, last - first + 1)
    return most


# What a process of its own does: it asks at random and in bursts, and notes by Redis' clock, in the
# one transaction with the count, when it was let through.
ARRIVE = """
import json, random, sys, time
import redis
from api.budgets import Span, Window
from api.throttles import RateLog

url, seed, wanted, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
log, chance = RateLog(redis.Redis.from_url(url)), random.Random(seed)
asked, windows = 0, [Window(Span.SECOND, 10)]
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
while asked < wanted:
    # One in three comes in a burst, and some of those across the end of a calendar second.
    burst = chance.choice([1, 1, 40])
    if burst > 1 and chance.random() < 0.03:
        time.sleep(max(0.0, (-time.time()) % 1 - 0.004))
    for _ in range(burst):
        log.count(chance.choice(keys), "other", windows)
        asked += 1
    if chance.random() < 0.1:
        time.sleep(chance.random() / 100)
print(json.dumps({"asked": asked, "took": time.monotonic() - began}))
"""


def accepted_times(client, keys):
    """Return when requests were let through, by key, from what the script has written."""
    return {key: [int(at) for at in client.lrange(f"seen:{key}", 0, -1)] for key in keys}


def arrive(client, *, processes, each, keys):
    """Let processes ask together; return (times let through by key, seconds that it took)."""
    environment = {**os.environ, "PYTHONPATH": str(settings.BASE_DIR)}
    environment |= {"DJANGO_SETTINGS_MODULE": "finbyte_site.settings"}
    code = "import django; django.setup()\n" + WATCHED + ARRIVE
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, settings.REDIS_URL, str(seed), str(each), ",".join(keys)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout.readline() == "ready\n"
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        told = [json.loads(process.communicate(timeout=300)[0]) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert [process.returncode for process in running] == [0] * processes
    assert sum(row["asked"] for row in told) >= processes * each
    return accepted_times(client, keys), max(row["took"] for row in told)


# The log itself forgets what is older than its windows: the test keeps the times beside it.
WATCHED = """
from api import throttles
throttles._SCRIPT = throttles._SCRIPT.replace(
    "redis.call('RPUSH', KEYS[1], now)",
    "redis.call('RPUSH', KEYS[1], now)\\n"
    "redis.call('RPUSH', 'seen:' .. string.match(KEYS[1], 'rate:(.*):other'), now)",
)
assert "seen:" in throttles._SCRIPT
"""


def judge(times, *, took):
    """Check one key's times: never over the limit, never much under it while it was asked for."""
    assert most_in_a_second(times) == 10
    assert len(times) >= 0.9 * 10 * took


def test_two_processes_and_10000_arrivals(redis_client):
    keys = ["a", "b"]
    seen, took = arrive(redis_client, processes=2, each=5000, keys=keys)
    assert took >= 1
    for key in keys:
        judge(seen[key], took=took)


@pytest.mark.soak
def test_four_processes_and_100000_arrivals(redis_client):
    keys = ["a", "b", "c", "d", "e"]
    seen, took = arrive(redis_client, processes=4, each=25_000, keys=keys)
    for key in keys:
        judge(seen[key], took=took)


def test_forty_at_once_are_ten(redis_client):
    log, gate, passed = RateLog(redis_client), threading.Barrier(40), []

    def ask_once():
        gate.wait()
        passed.append(not log.count("key", "other", [Window(Span.SECOND, 10)])[0].wait)

    threads = [threading.Thread(target=ask_once) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (passed.count(True), passed.count(False)) == (10, 30)


def test_what_is_refused_in_one_window_counts_in_none(log, redis_client):
    windows = [Window(Span.SECOND, 5), Window(Span.MINUTE, 3), Window(Span.DAY, 9)]
    waits = [[state.wait for state in log.count("k", "orders", windows)] for _ in range(5)]
    assert waits[:3] == [[0, 0, 0]] * 3
    assert [[wait > 0 for wait in row] for row in waits[3:]] == [[False, True, False]] * 2
    assert [state.used for state in log.look("k", "orders", windows)] == [3, 3, 3]
    assert redis_client.llen("api:rate:k:orders") == 3
    assert redis_client.get("api:rate:k:orders:day") == b"3"


def test_the_day_ends_at_six_in_india(log, redis_client):
    windows = [Window(Span.SECOND, 1000), Window(Span.DAY, 2)]
    states = [log.count("k", "orders", windows)[1] for _ in range(3)]
    assert [state.wait > 0 for state in states] == [False, False, True]
    now = redis_client.time()[0]
    ends = redis_client.expiretime("api:rate:k:orders:day")
    end = datetime.fromtimestamp(ends, UTC)
    assert (end.hour, end.minute, end.second) == (0, 30, 0)
    assert 0 < ends - now <= 86_400
    assert abs(states[2].seconds - (ends - now)) <= 1


def test_looking_counts_nothing(log):
    windows = [Window(Span.SECOND, 10), Window(Span.MINUTE, 400), Window(Span.DAY, 5000)]
    for _ in range(4):
        log.count("k", "orders", windows)
    for _ in range(50):
        states = log.look("k", "orders", windows)
    assert [state.remaining for state in states] == [6, 396, 4996]


def test_the_log_stays_small_and_goes(log, redis_client):
    windows = [Window(Span.SECOND, 30), Window(Span.MINUTE, 40)]
    for _ in range(200):
        log.count("k", "orders", windows)
    assert redis_client.llen("api:rate:k:orders") == 30
    assert 60_000 < redis_client.pttl("api:rate:k:orders") <= 61_000
    redis_client.delete("api:rate:k:orders")
    redis_client.rpush("api:rate:k:orders", *range(1, 500))
    log.count("k", "orders", windows)
    assert redis_client.llen("api:rate:k:orders") == 40


def test_a_clock_that_was_set_back_does_not_refuse_for_ever(log, redis_client):
    later = (redis_client.time()[0] + 3600) * SECOND
    redis_client.rpush("api:rate:k:other", *[later] * 10)
    assert log.count("k", "other", [Window(Span.SECOND, 10)])[0].wait == 0
    assert redis_client.llen("api:rate:k:other") == 1


def test_how_long_to_wait(log, redis_client):
    now = redis_client.time()
    redis_client.rpush("api:rate:k:other", (now[0] * SECOND + now[1]) - 700_000)
    state = log.count("k", "other", [Window(Span.SECOND, 1)])[0]
    assert 0 < state.wait <= 300_000
    assert state.seconds == 1
    redis_client.delete("api:rate:k:other")
    redis_client.rpush("api:rate:k:other", (now[0] * SECOND + now[1]) - 10_000_000)
    state = log.count("k", "other", [Window(Span.MINUTE, 1)])[0]
    assert state.seconds == 50


# ------------------------------------------------------------ over HTTP


@pytest.mark.django_db
def test_a_refusal_says_which_limit_and_when(desk, limits):
    assert statuses(desk, "put", 3) == [200] * 3
    refused = ask(desk, "put")
    assert refused.status_code == 429
    assert 40 < int(refused["Retry-After"]) <= 60
    assert json.loads(refused.content) == {
        "status": "error",
        "message": "Too many requests",
        "error_type": "NetworkException",
        "data": {
            "budget": "historical",
            "window": "minute",
            "limit": "3",
            "retry_after": refused["Retry-After"],
        },
    }


@pytest.mark.django_db
def test_budgets_and_keys_are_apart(desk, bob, limits):
    assert statuses(desk, "get", 12) == [200] * 10 + [429] * 2
    assert statuses(desk, "post", 12) == [200] * 10 + [429] * 2
    assert statuses(desk, "delete", 12) == [200] * 10 + [429] * 2
    assert statuses(desk, "put", 4) == [200] * 3 + [429]
    assert statuses(make_desk(bob, now=timezone.now()), "get", 10) == [200] * 10


@pytest.mark.django_db
def test_looking_at_heads_is_looking(desk, limits):
    assert statuses(desk, "get", 5) + statuses(desk, "head", 6) == [200] * 10 + [429]


@pytest.mark.django_db
def test_who_has_no_token_is_not_counted(desk, client, limits, redis_client):
    request = RequestFactory().get("/", headers={"authorization": "token x:y"})
    assert [Orders.as_view()(request).status_code for _ in range(12)] == [403] * 12
    answers = [client.post("/session/token", {"api_key": "x"}).status_code for _ in range(12)]
    assert answers == [400] * 12
    assert redis_client.keys("api:rate:*") == []


@pytest.mark.django_db
def test_without_redis_orders_stop_and_the_rest_goes_on(desk, limits, settings):
    settings.REDIS_URL = DEAD_REDIS
    began = time.monotonic()
    refused = ask(desk, "post")
    assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    answer = json.loads(refused.content)
    assert answer["error_type"] == "NetworkException"
    assert (
        answer["message"] == "Orders cannot be counted now, so none are taken. Cancels still are."
    )
    for method in ("get", "delete", "put"):
        assert statuses(desk, method, 15) == [200] * 15
    # 46 requests: a connection that is refused costs no time.
    assert time.monotonic() - began < 2


@pytest.mark.django_db
def test_a_silent_redis_is_not_waited_for(desk, limits, settings, monkeypatch):
    monkeypatch.setattr(throttles, "_PATIENCE", 0.1)
    throttles._log_at.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        assert ask(desk, "post").status_code == 503
        assert ask(desk, "delete").status_code == 200
        assert time.monotonic() - began < 1.5
    throttles._log_at.cache_clear()


def test_the_usual_limits(settings):
    settings.API_RATES = NORMAL
    assert windows_of(Rate.ORDERS) == [
        Window(Span.SECOND, 10),
        Window(Span.MINUTE, 400),
        Window(Span.DAY, 5000),
    ]
    assert windows_of(Rate.HISTORICAL) == [Window(Span.SECOND, 3)]


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1001", "2.5"])
def test_a_limit_is_a_positive_number(value):
    done = subprocess.run(
        [sys.executable, "-c", "import finbyte_site.settings"],
        env={**os.environ, "FINBYTE_API_ORDERS_PER_SECOND": value},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("FINBYTE_API_ORDERS_PER_SECOND must be ")
