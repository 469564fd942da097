"""Another site's form with a victim's cookies: refused on every route, and nothing changed."""

import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from finbyte_site.tests.console import Stage, client_of

SAMPLES = {
    "int": "1",
    "str": "x",
    "slug": "x",
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "path": "x",
}
PREFIXES = ("console/", "admin/", "connect/")
# Counted on the day this was written: fewer means that the walk does not find them any more.
LEAST_ROUTES = 100


def routes(patterns, before="") -> Iterator[str]:
    for each in patterns:
        found = before + address_of(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, found)
        elif isinstance(each, URLPattern):
            yield found


def address_of(pattern):
    """Write an address that the pattern takes."""
    text = str(pattern)
    if hasattr(pattern, "_route"):
        return re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES.get(found[1] or "str", "x"), text)
    text = re.sub(r"\(\?P<\w+>[^()]*(?:\([^()]*\)[^()]*)*\)", "auth", text)
    return text.strip("^$").replace("\\Z", "").replace(r"\.", ".").replace("(?:/.*)?", "")


ROUTES = sorted(
    {f"/{each}" for each in routes(get_resolver().url_patterns) if each.startswith(PREFIXES)}
)


def fingerprint():
    """Return what all tables hold, but for when a session was last seen."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if "session" in table or "guess" in table:
                continue
            quoted = connection.ops.quote_name(table)
            cursor.execute(
                f"SELECT count(*), sum(hashtext(t::text)::bigint) FROM {quoted} t"  # noqa: S608
            )
            found[table] = cursor.fetchone()
    return found


@pytest.fixture
def stage(staff, redis_client):
    stage = Stage(staff, redis_client)
    stage.order()
    stage.bot()
    return stage


def test_there_are_as_many_routes_as_ever():
    assert len(ROUTES) >= LEAST_ROUTES
    assert "/console/account/log-in" in ROUTES
    assert "/console/orders/1/" in ROUTES
    assert "/admin/accounts/user/" in ROUTES


def test_a_form_without_a_token_is_refused_on_every_route(stage):
    victim = client_of(stage.user, checks_csrf=True)
    before, passed = fingerprint(), []
    for address in ROUTES:
        answer = victim.post(address, {"password": "x", "decision": "allow", "quantity": "1"})
        if answer.status_code != 403:
            passed.append((address, answer.status_code))
    assert passed == []
    assert fingerprint() == before
    assert victim.get("/console/account/profile").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_form_of_another_site_is_refused_even_with_a_token(stage, site):
    victim = client_of(stage.user)
    before = fingerprint()
    for address in ROUTES:
        answer = victim.post(address, {}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403, address
        assert answer.content == b"Forbidden\n"
    assert fingerprint() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_that_change_are_refused_too(alice, method):
    answer = getattr(client_of(alice), method)(
        "/console/theme/", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_our_own_pages_and_programs_pass(alice, site):
    headers = {} if site is None else {"Sec-Fetch-Site": site}
    answer = client_of(alice).post("/console/theme/", {"theme": "dark"}, headers=headers)
    assert answer.status_code == 302


def test_a_link_from_another_site_opens_its_page(alice):
    answer = client_of(alice).get(
        "/console/account/profile", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("address", ["/user/profile", "/orders", "/portfolio/holdings"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_cookies_give_no_access_to_the_api(alice, address, method):
    victim = client_of(alice)
    answer, stranger = (getattr(each, method)(address) for each in (victim, Client()))
    assert answer.status_code == stranger.status_code
    assert answer.status_code in {403, 405, 503}
    assert answer.json() == stranger.json()
    assert alice.email not in answer.text
    assert not answer.cookies
