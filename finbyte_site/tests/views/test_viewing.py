"""Looking at somebody else's console: everything is shown, nothing is done."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.models import AuditEvent, Delegation, User
from accounts.services.delegations import accept_view, offer_view, revoke_view
from accounts.services.sessions import end_sessions
from accounts.services.users import give_role
from finbyte_site.routing import websocket_application
from finbyte_site.tests.console import Stage, client_of, stamp_client
from market.streams import push_event
from portfolio.models import Order

BANNER = "You are looking at"


def told(*_args):
    """Stand in for the queue of mails."""


def let_look(owner, viewer, *, ends_at=None):
    now = timezone.now()
    row = offer_view(
        owner, viewer.public_id, ends_at=ends_at, client_address=None, enqueue=told, now=now
    )
    return accept_view(viewer, row.pk, client_address=None, enqueue=told, now=now)


def take_back(row):
    revoke_view(row.user, row.pk, client_address=None, enqueue=told, now=timezone.now())


def look(client, row):
    response = client.post(reverse("accounts:viewing-start", args=[row.pk]))
    assert response.status_code == 302
    return client


@pytest.fixture
def stage(alice, redis_client):
    return Stage(alice, redis_client)


@pytest.fixture
def viewer(stage, alice, bob):
    """Return bob's browser, which looks at alice's account."""
    return look(client_of(bob), let_look(alice, bob))


@pytest.mark.django_db
class TestADelegate:
    def test_sees_the_owners_things_and_a_banner(self, viewer, stage, alice):
        order, bot = stage.order(), stage.running_bot(name="Her grid")
        pages = {
            "/console/": "Her grid",
            "/console/orders/": f'id="order-{order.pk}"',
            f"/console/orders/{order.pk}/": "ONGC",
            f"/console/bots/{bot.pk}/": "Her grid",
            "/console/funds/": "",
            "/console/positions/": "",
        }
        for address, mark in pages.items():
            response = viewer.get(address)
            assert response.status_code == 200, address
            assert mark in response.text, address
            assert BANNER in response.text
            assert alice.public_id in response.text
            assert "data-viewing" in response.text
        assert not response.context["current_account"]
        assert [each.user for each in response.context["venue_accounts"]] == [alice]

    def test_does_nothing_by_any_unsafe_method(self, viewer, stage):
        order = stage.order()
        cancel = reverse("portfolio:order-cancel", args=[order.pk])
        before = AuditEvent.objects.count()
        for method in ("post", "put", "patch", "delete"):
            for address in (cancel, "/console/orders/cancel-all/", "/console/", "/console/x/"):
                response = getattr(viewer, method)(address)
                assert response.status_code == 403, (method, address)
                assert "Nothing was changed" in response.text
        order.refresh_from_db()
        assert order.cancel_requested_at is None
        assert AuditEvent.objects.count() == before

    def test_places_no_order_either(self, viewer, stage):
        response = viewer.post(
            "/console/markets/NSE/ONGC/order/",
            {"book": stage.book.pk, "side": "BUY", "quantity": "1", "order_type": "MARKET"},
        )
        assert response.status_code == 403
        assert not Order.objects.exists()

    def test_a_refused_button_shows_a_message_in_place(self, viewer, stage):
        address = reverse("portfolio:order-cancel", args=[stage.order().pk])
        response = viewer.post(address, headers={"HX-Request": "true"})
        assert response.status_code == 403
        assert response["HX-Reswap"] == "none"
        assert "fb:toast" in response["HX-Trigger"]

    def test_keeps_his_own_account_pages(self, viewer, bob, alice):
        response = viewer.get("/console/account/profile")
        assert bob.email in response.text
        assert "your own account" in response.text
        assert "data-viewing" not in response.text
        viewer.post("/console/account/profile", {"full_name": "Bobby", "time_zone": "UTC"})
        bob.refresh_from_db()
        alice.refresh_from_db()
        assert (bob.full_name, alice.full_name) == ("Bobby", "Alice")

    def test_choosing_an_account_changes_what_the_session_shows_only(self, viewer, stage):
        response = viewer.post("/console/account-switch/", {"account": stage.account.pk})
        assert response.status_code == 302
        assert viewer.get("/console/").context["current_account"] == stage.account

    def test_stops(self, viewer, alice, bob):
        assert viewer.post("/console/account/viewers/stop").status_code == 302
        assert BANNER not in viewer.get("/console/").text
        kinds = AuditEvent.objects.order_by("pk").values_list("kind", "actor", "on_behalf_of")
        assert list(kinds)[-2:] == [
            ("viewing_start", bob.pk, alice.pk),
            ("viewing_stop", bob.pk, alice.pk),
        ]

    def test_is_back_at_home_once_it_is_taken_back(self, viewer, stage):
        order = stage.order()
        take_back(Delegation.objects.get())
        response = viewer.get(f"/console/orders/{order.pk}/", follow=True)
        assert response.redirect_chain == [("/console/", 302)]
        assert "no longer look" in response.text
        assert BANNER not in response.text
        assert viewer.get(f"/console/orders/{order.pk}/").status_code == 404

    def test_what_was_clicked_there_is_not_done_at_home(self, viewer, bob, redis_client):
        own = Stage(bob, redis_client)
        order = own.order()
        take_back(Delegation.objects.get())
        assert viewer.post("/console/orders/cancel-all/").status_code == 403
        order.refresh_from_db()
        assert order.cancel_requested_at is None

    def test_is_stopped_by_the_end_of_the_offer(self, alice, bob, stage, monkeypatch):
        end = timezone.now() + timedelta(hours=1)
        client = look(client_of(bob), let_look(alice, bob, ends_at=end))
        assert BANNER in client.get("/console/").text
        for moment, status in ((end - timedelta(seconds=1), 200), (end, 302)):
            monkeypatch.setattr("accounts.viewing_middleware.timezone.now", lambda at=moment: at)
            assert client.get("/console/").status_code == status

    def test_is_stopped_by_the_owners_suspension(self, viewer, alice):
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert viewer.get("/console/").status_code == 302

    def test_looks_at_nobody_who_did_not_offer(self, stage, bob, staff):
        row = let_look(stage.user, bob)
        stranger = client_of(staff)
        assert stranger.post(reverse("accounts:viewing-start", args=[row.pk])).status_code == 404
        assert BANNER not in stranger.get("/console/").text

    def test_looks_at_nobody_before_he_has_accepted(self, stage, alice, bob):
        row = offer_view(
            alice,
            bob.email,
            ends_at=None,
            client_address=None,
            enqueue=told,
            now=timezone.now(),
        )
        client = client_of(bob)
        assert client.post(reverse("accounts:viewing-start", args=[row.pk])).status_code == 404

    def test_the_look_stays_with_the_one_who_started_it(self, viewer, staff, alice):
        kept = viewer.session["viewing"]
        other = client_of(staff)
        session = other.session
        session["viewing"] = kept
        session.save()
        assert BANNER not in other.get("/console/", follow=True).text


@pytest.mark.django_db
class TestStaff:
    def start(self, client, user, *, reason="ticket 7"):
        return client.post(
            "/admin/accounts/user/",
            {"action": "see_console", "_selected_action": [user.pk], "reason": reason, "index": 0},
        )

    @pytest.fixture
    def helper(self, bob):
        give_role(bob, Role.SUPPORT)
        client = client_of(bob)
        now = timezone.now()
        stamp_client(client, bob, factor_at=now, admin_seen_at=now)
        return client

    def test_sees_and_cannot_act_for_half_an_hour(self, helper, stage, alice, bob, monkeypatch):
        order = stage.order()
        assert self.start(helper, alice)["Location"] == "/console/"
        event = AuditEvent.objects.order_by("pk").last()
        assert (event.kind, event.actor, event.on_behalf_of) == ("staff_viewing_start", bob, alice)
        assert event.detail == {"reason": "ticket 7"}
        assert f'id="order-{order.pk}"' in helper.get("/console/orders/").text
        assert helper.post(f"/console/orders/{order.pk}/cancel/").status_code == 403
        order.refresh_from_db()
        assert order.cancel_requested_at is None
        until = timezone.now() + timedelta(minutes=30)
        for moment, status in ((-2, 200), (2, 302)):
            at = until + timedelta(seconds=moment)
            monkeypatch.setattr("accounts.viewing_middleware.timezone.now", lambda at=at: at)
            assert helper.get("/console/orders/").status_code == status

    def test_needs_a_reason(self, helper, alice):
        assert self.start(helper, alice, reason=" ")["Location"] == "/admin/accounts/user/"
        assert BANNER not in helper.get("/console/").text
        assert not AuditEvent.objects.exists()

    def test_of_yesterday_sees_nothing(self, helper, stage, alice, bob):
        self.start(helper, alice)
        assert BANNER in helper.get("/console/").text
        give_role(bob, Role.USER)
        assert helper.get("/console/").status_code == 302
        assert BANNER not in helper.get("/console/").text


class TestTheSocket:
    """Carries the events of the account on the screen, as long as it may be looked at."""

    @asynccontextmanager
    async def open(self, client, user):
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        headers = [
            (b"host", b"testserver"),
            (b"origin", b"http://testserver"),
            (b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()),
        ]
        socket = WebsocketCommunicator(websocket_application, "/ws/console", headers=headers)
        accepted, _ = await socket.connect(timeout=5)
        assert accepted
        hello = json.loads(await socket.receive_from(timeout=5))
        assert hello["user"] == user.public_id
        yield socket
        await socket.disconnect()

    async def test_brings_the_owners_events_and_not_ones_own(self, real_db, viewer, alice, bob):
        async with self.open(viewer, alice) as socket:
            await asyncio.to_thread(push_event, bob.pk, "trade", {"n": 1})
            await asyncio.to_thread(push_event, alice.pk, "trade", {"n": 2})
            message = json.loads(await socket.receive_from(timeout=2))
            assert message["data"] == {"n": 2}
            assert await socket.receive_nothing(timeout=0.2)

    @pytest.mark.parametrize("act", ["taken back", "logged out"])
    async def test_closes_with_the_look(self, real_db, viewer, alice, bob, act):
        ends = {
            "taken back": lambda: take_back(Delegation.objects.get()),
            "logged out": lambda: end_sessions(bob),
        }
        async with self.open(viewer, alice) as socket:
            started = asyncio.get_running_loop().time()
            await database_sync_to_async(ends[act])()
            message = await socket.receive_output(timeout=2)
            assert (message["type"], message["code"]) == ("websocket.close", 4401)
            assert asyncio.get_running_loop().time() - started < 2

    async def test_of_the_owner_stays(self, real_db, viewer, alice):
        own = await database_sync_to_async(client_of)(alice)
        async with self.open(own, alice) as socket:
            await database_sync_to_async(lambda: take_back(Delegation.objects.get()))()
            assert await socket.receive_nothing(timeout=0.3)
