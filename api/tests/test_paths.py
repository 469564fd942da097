import pytest
from django.http import HttpResponse, HttpResponseNotAllowed
from django.test import Client, override_settings
from django.urls import include, path

from api.paths import JSON_PREFIXES, is_api_path
from finbyte_site.urls import console_patterns
from portfolio.exceptions import OrderNotChangeable

METHODS = ("get", "post", "put", "patch", "delete", "options")


def envelope(response, status, error_type):
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"status", "message", "error_type", "data"}
    assert answer["status"] == "error"
    assert answer["error_type"] == error_type
    assert answer["message"]
    return answer


@pytest.mark.parametrize("prefix", JSON_PREFIXES)
@pytest.mark.parametrize("rest", ["", "/", "/regular", "/a/b/c/", "/NSE%3AINFY"])
def test_the_apis_addresses_are_kept(client, prefix, rest):
    response = client.get(f"/{prefix}{rest}")
    answer = envelope(response, 403, "TokenException")
    assert answer["message"] == "Send the header Authorization: token api_key:access_token."
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("method", METHODS)
def test_whatever_the_method(client, method):
    envelope(getattr(client, method)("/orders/regular"), 403, "TokenException")


def test_a_post_without_a_token_of_our_forms():
    envelope(Client(enforce_csrf_checks=True).post("/orders/regular"), 403, "TokenException")


def test_a_host_that_is_not_ours(client):
    envelope(client.get("/orders", headers={"host": "evil.example"}), 400, "InputException")


@override_settings(SECURE_SSL_REDIRECT=True)
def test_no_redirect_to_https(client):
    answer = envelope(client.get("/orders"), 400, "InputException")
    assert "does not redirect" in answer["message"]


def test_other_addresses_are_not_the_apis(client):
    for address in ("/ordersx", "/console/orders/x/y/z", "/order"):
        assert not is_api_path(address)
    assert is_api_path("/orders")
    assert is_api_path("/orders/")


def broken(request):
    raise ZeroDivisionError("secret")


def refused(request):
    raise OrderNotChangeable("The order is complete.")


def only_post(request):
    return HttpResponseNotAllowed(["POST"])


def not_modified(request):
    return HttpResponse(status=304)


def not_found_page(request, exception):
    return HttpResponse("<h1>Nothing here</h1>", status=404)


def broken_page(request):
    return HttpResponse("<h1>Broken</h1>", status=500)


handler404 = not_found_page
handler500 = broken_page
urlpatterns = [
    path("orders/broken", broken),
    path("orders/refused", refused),
    path("orders/only-post", only_post),
    path("orders/not-modified", not_modified),
    path("page/refused", refused),
    # Middleware leads to pages of the console.
    path("console/", include(console_patterns)),
]


@pytest.mark.urls(__name__)
class TestAnswersOfDjango:
    def test_404(self, client):
        envelope(client.get("/orders/nothing"), 404, "GeneralException")

    def test_405(self, client):
        envelope(client.get("/orders/only-post"), 405, "GeneralException")

    def test_500_is_logged_and_says_nothing_of_its_inside(self, client, caplog):
        answer = envelope(client.get("/orders/broken"), 500, "GeneralException")
        assert "secret" not in str(answer)
        assert "api_error path=/orders/broken" in caplog.text
        assert "ZeroDivisionError" in caplog.text

    @pytest.mark.parametrize("debug", [True, False])
    def test_an_error_of_ours_by_the_table(self, client, settings, debug):
        settings.DEBUG = debug
        answer = envelope(client.get("/orders/refused"), 400, "OrderException")
        assert answer["message"] == "The order is complete."

    def test_304_stays(self, client):
        assert client.get("/orders/not-modified").status_code == 304

    def test_pages_are_left_alone(self, client):
        assert client.get("/page/nothing").text == "<h1>Nothing here</h1>"
        client.raise_request_exception = False
        assert client.get("/page/refused").text == "<h1>Broken</h1>"

    async def test_the_same_under_asgi(self, async_client):
        envelope(await async_client.get("/orders/nothing"), 404, "GeneralException")
        envelope(await async_client.get("/orders/refused"), 400, "OrderException")
