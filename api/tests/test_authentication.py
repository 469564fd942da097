import pytest

from accounts.models import ApiSession, User
from accounts.services.api_apps import revoke_app
from accounts.services.api_sessions import end_all
from accounts.tests.api_apps import make_app, open_session
from api.paths import JSON_PREFIXES
from finbyte_site.tests.console import client_of

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete", "options")


@pytest.fixture
def now():
    """Take the real time: requests come now."""
    from django.utils import timezone  # noqa: PLC0415

    return timezone.now()


@pytest.fixture
def opened(alice, bob, now):
    return open_session(make_app(alice, now=now, products=["CNC", "MIS"]), bob, now=now)


def header(opened, token=None):
    key = opened.session.app.api_key
    return {"authorization": f"token {key}:{token or opened.access_token}"}


def profile(client, **headers):
    return client.get("/user/profile", headers=headers)


def refused(response):
    assert response.status_code == 403
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert (answer["status"], answer["error_type"]) == ("error", "TokenException")
    assert set(answer) == {"status", "message", "error_type", "data"}
    assert answer["message"]
    assert "WWW-Authenticate" not in response.headers
    assert "Set-Cookie" not in response.headers
    return answer


def test_the_profile(client, opened, bob):
    response = client.get("/user/profile", headers={**header(opened), "x-kite-version": "3"})
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "status": "success",
        "data": {
            "user_id": bob.public_id,
            "user_type": "individual",
            "email": "bob@example.com",
            "user_name": "Bob",
            "user_shortname": "Bob",
            "broker": "FINBYTE",
            "exchanges": ["NSE", "BSE", "BINANCE", "BINANCEFUT"],
            "products": ["CNC", "MIS"],
            "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
            "avatar_url": None,
            "meta": {"demat_consent": ""},
        },
    }


def test_whatever_accept_says(client, opened):
    for accept in ("text/html", "text/csv", "application/xml;q=0.1", "x"):
        response = client.get("/user/profile", headers={**header(opened), "accept": accept})
        assert response["Content-Type"] == "application/json"
        assert response.json()["status"] == "success"


@pytest.mark.parametrize("path", ["/user/profile", *(f"/{each}" for each in JSON_PREFIXES)])
@pytest.mark.parametrize("method", METHODS)
def test_no_token_no_answer(client, path, method):
    response = getattr(client, method)(path)
    if path == "/user/profile" and method in {"patch", "options"}:
        assert response.status_code in {403, 405}
    refused(response)


def test_tokens_that_do_not_open(client, opened):
    key, token = opened.session.app.api_key, opened.access_token
    wrong = [
        "",
        "token",
        f"token {key}",
        f"token {key}:",
        f"token :{token}",
        f"token {token}:{key}",
        f"token {key}:{token[:-1]}",
        f"token {key}:{token}x",
        f"token {key}:{token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"token {key}:{token.swapcase()}",
        f"token {key}:{opened.refresh_token}",
        f"token {key}:{opened.session.access_digest}",
        f"token {'a' * 16}:{token}",
        f"token  {key}:{token}",
        f" token {key}:{token} x",
        f"token {key}:{token},token {key}:{token}",
        f"bearer {key}:{token}",
        f"Basic {key}:{token}",
        f"{key}:{token}",
        f"token {key}:{token}\u00e9",
        "token " + "a" * 10_000,
    ]
    for each in wrong:
        refused(profile(client, authorization=each))
    assert profile(client, **header(opened)).status_code == 200
    assert len(wrong) == 21


def test_nothing_but_the_header_counts(alice, opened):
    key, token = opened.session.app.api_key, opened.access_token
    browser = client_of(alice)
    refused(profile(browser))
    refused(browser.get(f"/user/profile?api_key={key}&access_token={token}"))
    refused(browser.post("/orders/regular", {"api_key": key, "access_token": token}))
    browser.cookies["access_token"] = token
    refused(profile(browser))


def test_cookies_of_a_victim_write_nothing(alice, now):
    for method in ("post", "put", "delete"):
        refused(getattr(client_of(alice), method)("/orders/regular"))
        refused(getattr(client_of(alice, checks_csrf=True), method)("/user/profile"))


@pytest.mark.parametrize("end", ["expired", "revoked", "suspended", "maker", "end_all"])
def test_a_session_that_is_over(client, alice, bob, opened, now, end):
    assert profile(client, **header(opened)).status_code == 200
    match end:
        case "expired":
            ApiSession.objects.update(expires_at=now)
        case "revoked":
            revoke_app(opened.session.app, actor=alice, client_address=None, now=now)
        case "suspended":
            User.objects.filter(pk=bob.pk).update(is_active=False)
        case "maker":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        case _:
            end_all(bob, reason="x", now=now)
    refused(profile(client, **header(opened)))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_there(client, opened, method):
    response = getattr(client, method)("/portfolio/dreams", headers=header(opened))
    answer = response.json()
    assert (response.status_code, answer["error_type"]) == (404, "GeneralException")
    assert answer["message"] == "There is nothing at this address."


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_other_methods(client, opened, method):
    response = getattr(client, method)("/user/profile", headers=header(opened))
    assert (response.status_code, response.json()["error_type"]) == (405, "GeneralException")


def test_no_cors_headers(client, opened):
    for origin in ("https://evil.example", "null"):
        for response in (
            client.get("/user/profile", headers={**header(opened), "origin": origin}),
            client.options(
                "/orders", headers={"origin": origin, "access-control-request-method": "POST"}
            ),
        ):
            assert not [each for each in response.headers if each.lower().startswith("access-")]


def test_one_query_when_seen_just_now(client, opened, django_assert_num_queries):
    with django_assert_num_queries(2):
        profile(client, **header(opened))
    with django_assert_num_queries(1):
        profile(client, **header(opened))
