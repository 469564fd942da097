"""`spot_grid_events` on the database, with the state of the venue planted."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

from bots.domain.spot_grid_config import plain
from bots.domain.strategy import CancelOrder, Note, PlaceOrder
from bots.runtime.simulation import SimulationRunner
from bots.services import bots as services
from bots.tests.domain.grids import vector
from bots.tests.factories import World, make_world, no_hint
from bots.tests.runtime.ledger_watch import LedgerWatch
from market.domain.messages import ExecutionReport, ReportKind
from portfolio.models import Order
from portfolio.selectors.orders import open_orders_of_book
from portfolio.services.executions import apply_inbox
from portfolio.services.inbox import store_reports
from portfolio.services.orders import client_order_id
from portfolio.tests.gateway_kit import ScriptedVenue

NOTES = {"partial_noted", "keep_orders", "queued_while_paused"}
ORPHAN = "fborphan"
SHARD = 0
# Rows before which nothing is sent: the order placed by the fourth is refused twice first.
UNSENT = {4, 5, 6, 7}


@dataclass
class Play:
    """A running grid whose every report is given by hand."""

    world: World
    venue: ScriptedVenue
    bot: object
    reports: dict[str, ExecutionReport] = field(default_factory=dict)

    @property
    def runner(self):
        return self.world.runner

    def ours(self, cid):
        """Return our slot reference for one of the vector, whose bot is the seventh."""
        return cid.replace("b7-", f"b{self.bot.pk}-", 1)

    def order(self, cid):
        return Order.objects.get(book=self.bot.book_id, slot_ref=self.ours(cid))

    def wire_id(self, cid):
        return client_order_id(self.ours(cid), self.world.account.pk)

    def pass_time(self, seconds=1):
        self.world.now += timedelta(seconds=seconds)
        self.runner.price(self.world.instrument.pk, Decimal(262), at=self.world.now)

    def deliver(self, report):
        """Give a report to the inbox and apply it; return whether it was new."""
        fence, now = self.runner.gateway.fence, self.world.now
        is_new = store_reports([report], fence=fence, shard=SHARD, now=now)
        apply_inbox(100, shard=SHARD, fence=fence, now=now)
        return bool(is_new)

    def report(self, cid, row):
        """Return the report that a venue would send for a row of the vector."""
        order = self.order(cid)
        cumulative = Decimal(row.get("cum", plain(order.filled_quantity)))
        is_fill = row["ev"] == "fill"
        key = f"{self.wire_id(cid)}:{row['ev']}:{plain(cumulative)}"
        if key not in self.reports:
            self.reports[key] = ExecutionReport(
                kind=ReportKind.TRADE if is_fill else ReportKind.CANCELLED,
                dedupe_key=key[-60:],
                venue_account_id=self.world.account.pk,
                client_order_id=self.wire_id(cid),
                venue_order_id=order.venue_order_id,
                exchange_time=self.world.now,
                venue_trade_id=key[-40:] if is_fill else "",
                quantity=cumulative - order.filled_quantity if is_fill else Decimal(0),
                price=order.price,
                cumulative_quantity=cumulative,
            )
        if row["ev"] != "fill" or cumulative == order.quantity:
            self.venue.taken.pop((self.world.account.pk, self.wire_id(cid)), None)
        return self.reports[key]

    def step(self):
        """Step what is due, once; return what the strategy wanted as the vector writes it."""
        reports = self.runner.step_due(self.world.now)
        assert len(reports) <= 1
        return [self.action(each) for report in reports for each in report.intents if told(each)]

    def action(self, intent):
        if isinstance(intent, PlaceOrder):
            return {
                "act": "place",
                "cid": intent.slot_ref,
                "side": intent.side.value,
                "price": plain(intent.price),
                "qty": plain(intent.quantity),
            }
        if isinstance(intent, CancelOrder):
            return {"act": "cancel", "cid": intent.slot_ref}
        action = {"act": intent.kind, "cid": intent.data.get("slot_ref")}
        if "remaining" in intent.data:
            action["remaining"] = intent.data["remaining"]
        return action

    # ------------------------------------------------------------------ the rows of the vector

    def fill(self, row):
        if not self.deliver(self.report(row["cid"], row)):
            assert self.step() == []
            return [{"act": "ignored_duplicate", "cid": self.ours(row["cid"])}]
        return self.step()

    venue_cancelled = fill

    def rejected(self, row):
        """The gateway sends again by itself, with the same id, later and later."""
        self.venue.script = ["not sent"]
        self.runner.gateway.pump(self.world.now)
        order = self.order(row["cid"])
        assert (order.status, order.send_attempts) == ("READY", row["attempt"])
        delay = (order.send_after - self.world.now).total_seconds()
        assert self.step() == []
        self.pass_time(delay)
        return [{"act": "retry", "cid": order.slot_ref, "delay_s": int(delay)}]

    def pause(self, _row):
        return self.ask(services.pause_bot)

    def resume(self, _row):
        return self.ask(services.resume_bot)

    def stop(self, _row):
        return self.ask(services.stop_bot, stop_mode="keep_assets")

    def ask(self, service, **terms):
        world = self.world
        service(world.user, self.bot.pk, now=world.now, hint=no_hint, **terms)
        return self.step()

    def restart(self, row):
        """Plant what the venue has, and start another gateway on it."""
        account = self.world.account.pk
        orphan = row["venue_open"][-1]
        known = {self.wire_id(cid): cid for cid in row["venue_open"][:-1]}
        planted = {key: t for key, t in self.venue.taken.items() if key[1] in known}
        assert len(planted) == len(known)
        unknown = replace(next(iter(planted.values())), client_order_id=ORPHAN)
        self.venue.taken = {**planted, (account, ORPHAN): unknown}
        self.runner.start_gateway(self.world.now, owner="simulation")
        for cid, told_of in row["history"].items():
            assert self.deliver(self.report(cid, told_of))
        actions = self.step()
        before = list(self.venue.cancels)
        self.runner.gateway.pump(self.world.now)
        ended = self.venue.cancels[len(before) :]
        return actions + [
            {"act": "cancel_orphan", "cid": self.ours(orphan)} for each in ended if each == ORPHAN
        ]


def told(intent):
    return isinstance(intent, PlaceOrder | CancelOrder) or (
        isinstance(intent, Note) and intent.kind in NOTES
    )


def multiset(actions):
    return sorted(json.dumps(action, sort_keys=True) for action in actions)


def running_play(user, now):
    """Return the grid of the vector: eight orders rest, the fifth level is empty."""
    venue = ScriptedVenue()
    runner = SimulationRunner(venue=venue)
    runner.start_gateway(now)
    world = make_world(user, now=now, runner=runner)
    bot = world.start(stop_mode="keep_assets")
    play = Play(world, venue, bot)
    venue.fill(play.wire_id("b7-init-B-1"), at=world.now)
    world.settle()
    return play


def test_the_vector_of_events_on_the_database(alice, now, real_db):
    play, events, watch = running_play(alice, now), vector("spot_grid_events"), LedgerWatch()
    book = play.bot.book_id
    assert multiset(
        {
            "act": "place",
            "cid": order.slot_ref,
            "side": order.side,
            "price": plain(order.price),
            "qty": plain(order.quantity),
        }
        for order in open_orders_of_book(book)
    ) == multiset({**row, "cid": play.ours(row["cid"])} for row in events["start"])

    for number, step in enumerate(events["steps"]):
        row = step["event"]
        play.pass_time()
        if number not in UNSENT:
            play.runner.gateway.pump(play.world.now)

        actions = getattr(play, row["ev"])(row)

        wanted = [
            {**each, "cid": None if each["cid"] is None else play.ours(each["cid"])}
            for each in step["actions"]
        ]
        assert multiset(actions) == multiset(wanted), row
        if row["ev"] == "stop":
            play.world.settle()
        state = play.world.state(play.bot)
        assert state.empty_level == step["empty_level"], row
        assert play.world.reread(play.bot).status == step["state"], row
        assert open_orders_of_book(book).count() == step["open"], row
        assert watch.check() == []
    assert play.world.total(play.world.manual, "NSE:ONGC") > 0
    assert play.world.reread(play.bot).book.closed_at is not None
