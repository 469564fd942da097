"""The gateway's work in parts that the process loop and the simulation runner call alike."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection

from market.domain.enums import OrderStatus
from market.domain.messages import (
    ExecutionReport,
    OrderTicket,
    Outcome,
    OutcomeKind,
    ReportKind,
    VenueOrder,
)
from market.domain.ticks import Quote
from market.exceptions import VenueUnavailable
from market.venues.base import VenueClient
from market.venues.paper import PaperVenue
from portfolio.exceptions import StaleFence, VenueCallInTransaction
from portfolio.gateway.crash import crash_at
from portfolio.gateway.sweep import Sweeper
from portfolio.services import gateway as shards
from portfolio.services import reconciliation
from portfolio.services.executions import apply_inbox, mark_not_at_venue, record_outcomes
from portfolio.services.inbox import store_reports
from portfolio.services.plan_steps import advance_plans
from portfolio.services.reconciliation import OrderKey, UnknownOrders

logger = logging.getLogger(__name__)

# How long an answer may be under way at a venue that is not ours (trust.md 4.4, Kite-like).
QUARANTINE = timedelta(seconds=180)
# Cancels and changes without an answer are asked again after this long.
ASK_AGAIN = timedelta(seconds=2)
_RATE_MEMORY = timedelta(hours=1)
CANCELS_AT_ONCE = 200
APPLY_AT_ONCE = 100
INBOX_SECONDS = 1.0
_REMEMBERED = 10_000


class Gateway:
    """Owns one shard of the venue accounts: sends, cancels, listens, applies, reconciles.

    `start`, then `on_quotes` for every tick and `pump` until it returns 0. Single-threaded.
    After any exception nothing in memory may be trusted: `forget`, then `start` again.
    """

    def __init__(
        self,
        venue: VenueClient,
        *,
        shard: int,
        owner: str,
        on_book_event: Callable[[int], None],
        quarantine: timedelta | None = None,
    ) -> None:
        self._venue = venue
        self._paper = venue if isinstance(venue, PaperVenue) else None
        self._shard = shard
        self._owner = owner
        self._on_book_event = on_book_event
        if quarantine is None:
            quarantine = timedelta(0) if self._paper else QUARANTINE
        self._unknown = UnknownOrders(venue, quarantine=quarantine)
        self._sweeper = None if self._paper else Sweeper(venue, shard=shard)
        self._asked: dict[OrderKey, datetime] = {}
        # The newest price of each instrument: what plans are carried on at.
        self._quotes: dict[int, Quote] = {}
        self._fence: int | None = None
        self._renew_at = 0.0
        self._inbox_at = 0.0
        # Reports that are not stored yet.
        self._reports: list[ExecutionReport] = []
        self._refusals = 0

    @property
    def fence(self) -> int:
        """Return the fence we own the shard with; raise `StaleFence` when we do not."""
        if self._fence is None:
            raise StaleFence(f"shard {self._shard} is not owned by {self._owner}")
        return self._fence

    # ------------------------------------------------------------------ owning the shard

    def start(self, now: datetime) -> bool:
        """Own the shard and make venue and database agree; False while somebody else owns it.

        Only then is anything sent: what was stored is applied, what was being sent is looked
        up, the paper book is rebuilt from our open orders, accounts that add up are READY.
        """
        _require_no_transaction()
        self.forget()
        self._fence = shards.acquire_shard(self._shard, owner=self._owner)
        if self._fence is None:
            return False
        self._renew_at = time.monotonic() + shards.LEASE.total_seconds() / 3
        if self._paper is not None:
            self._paper.begin(self._fence)
        self._apply_inbox(now)
        self._doubt_sent(now)
        if self._paper is not None:
            self._paper.restore(reconciliation.resting_orders(self._shard))
        self._resolve(now, at_once=True)
        self._judge_accounts({})
        return True

    def stop(self) -> None:
        """Give the shard back."""
        if self._fence is not None:
            shards.release_shard(self._shard, fence=self._fence)
        self.forget()

    def forget(self) -> None:
        """Drop what is in memory: the database knows better. Only a venue's word is kept."""
        self._fence = None
        self._unknown.clear()
        self._asked.clear()
        self._inbox_at = 0.0
        if self._paper is not None:
            # What was not stored has not happened: the book is built anew from the orders.
            self._reports.clear()
            self._paper.begin(0)
        if self._sweeper is not None:
            self._sweeper.clear()

    def keep_lease(self) -> None:
        """Renew the lease when a third of it has passed; raise `StaleFence` when it is lost."""
        moment = time.monotonic()
        if moment >= self._renew_at:
            shards.renew_shard(self._shard, fence=self.fence)
            self._renew_at = moment + shards.LEASE.total_seconds() / 3

    def do_chores(self) -> None:
        """Remove what nobody needs any more."""
        shards.forget_rate_seconds(older_than=_RATE_MEMORY)

    # ------------------------------------------------------------------ trading

    def on_quotes(self, quotes: Iterable[Quote], now: datetime) -> None:
        """Let the paper venue match every tick, in order; `pump` writes what came of it."""
        _ = now
        for quote in quotes:
            self._quotes[quote.instrument_token] = quote
            if self._paper is not None:
                self._paper.accept_quote(quote)

    def has_news(self) -> bool:
        """Say, without asking anybody, whether a pump would have something to write."""
        return bool(self._reports) or self._paper is None or self._paper.has_reports()

    def pump(self, now: datetime) -> int:
        """Send what is ready, ask what is asked, take in what happened; 0 means quiet."""
        _require_no_transaction()
        done = self._take_in(now)
        todo = shards.find_work(self._shard, now=now)
        if todo.orders:
            done += self._send_ready(now)
        if todo.cancels:
            done += self._send_cancels(now)
        if todo.changes:
            done += self._send_changes(now)
        if todo.plans:
            done += self._advance_plans(now)
        if self._unknown:
            done += self._resolve(now)
        if self._sweeper is not None and self._sweeper.is_due(now):
            swept = self._sweeper.sweep(now, fence=self.fence)
            done += swept.strays + self._judge_accounts(swept.mismatches)
        if done:
            done += self._take_in(now)
        return done

    def _send_ready(self, now: datetime) -> int:
        started = time.monotonic()
        crash_at("T2:before")
        claim = shards.claim_ready(self._shard, fence=self.fence, now=now)
        crash_at("T2:after")
        if claim.stopped:
            self._tell(
                shards.end_stopped(claim.stopped, shard=self._shard, fence=self.fence, now=now)
            )
        if not claim.tickets:
            return len(claim.stopped)
        # Measured on the monotonic clock: a process that slept through the deadline sends nothing.
        if time.monotonic() - started > shards.SEND_WITHIN.total_seconds():
            outcomes = [_not_sent(ticket) for ticket in claim.tickets]
        else:
            outcomes = self._venue.send(claim.tickets, now=now)
        crash_at("S:after")
        self._record(claim.tickets, outcomes, now)
        crash_at("T3:after")
        return len(claim.tickets) + len(claim.stopped)

    def _record(
        self, tickets: Sequence[OrderTicket], outcomes: Sequence[Outcome], now: datetime
    ) -> None:
        """Record what is known of each order (T3); look up what is not."""
        known = [
            self._known(ticket, outcome) for ticket, outcome in zip(tickets, outcomes, strict=True)
        ]
        heard = record_outcomes(known, shard=self._shard, fence=self.fence, now=now)
        for ticket, outcome in zip(tickets, known, strict=True):
            if outcome.kind is OutcomeKind.UNKNOWN:
                self._unknown.add((ticket.venue_account_id, ticket.client_order_id), since=now)
        # Plain acceptances are no reason to wake anybody: they are read with the next news.
        if any(outcome.kind is not OutcomeKind.ACCEPTED for outcome in known):
            self._tell(heard)

    def _known(self, ticket: OrderTicket, outcome: Outcome) -> Outcome:
        """Ask a venue that calls an order a duplicate what it has: it is ours."""
        if outcome.kind is not OutcomeKind.DUPLICATE:
            return outcome
        try:
            found = self._venue.query(ticket.venue_account_id, ticket.client_order_id)
        except VenueUnavailable:
            found = None
        if found is None:
            return replace(outcome, kind=OutcomeKind.UNKNOWN)
        return replace(outcome, kind=OutcomeKind.ACCEPTED, venue_order_id=found.venue_order_id)

    def _send_cancels(self, now: datetime) -> int:
        """Ask for cancels; no kill switch, no risk and no rate stands in their way."""
        by_account: dict[int, list[str]] = {}
        for account, client_order_id in reconciliation.asked_cancels(
            self._shard, limit=CANCELS_AT_ONCE
        ):
            if self._may_ask((account, client_order_id), now):
                by_account.setdefault(account, []).append(client_order_id)
        for account, client_order_ids in by_account.items():
            outcomes = self._venue.cancel(account, client_order_ids, now=now)
            crash_at("C:after")
            for outcome in outcomes:
                if outcome.kind is OutcomeKind.REJECTED:
                    self._refuse(ReportKind.CANCEL_REJECTED, account, outcome, at=now)
        return sum(map(len, by_account.values()))

    def _send_changes(self, now: datetime) -> int:
        changes = [
            change
            for change in reconciliation.asked_changes(self._shard, limit=CANCELS_AT_ONCE)
            if self._may_ask((change.ticket.venue_account_id, change.ticket.client_order_id), now)
        ]
        for change in changes:
            outcome = self._venue.modify(change.ticket, terms=change.terms, now=now)
            if outcome.kind is OutcomeKind.REJECTED:
                account = change.ticket.venue_account_id
                self._refuse(ReportKind.MODIFY_REJECTED, account, outcome, at=now)
        return len(changes)

    def _advance_plans(self, now: datetime) -> int:
        """Place what follows the orders that have filled; it is sent by the next pump."""
        crash_at("P:before")
        taken = advance_plans(self._shard, quotes=self._quotes, now=now, enqueue=_nothing)
        crash_at("P:after")
        return taken

    def _may_ask(self, key: OrderKey, now: datetime) -> bool:
        """Say whether a request is new, or old enough to be made again."""
        if key in self._asked and now < self._asked[key] + ASK_AGAIN:
            return False
        if len(self._asked) > _REMEMBERED:
            self._asked.clear()
        self._asked[key] = now
        return True

    def _refuse(self, kind: ReportKind, account: int, outcome: Outcome, *, at: datetime) -> None:
        """Note a refusal as a report, so that it takes the way of every other report."""
        self._refusals += 1
        self._reports.append(
            ExecutionReport(
                kind=kind,
                dedupe_key=f"{outcome.client_order_id}:{kind}:{self.fence}.{self._refusals}",
                venue_account_id=account,
                client_order_id=outcome.client_order_id,
                venue_order_id=outcome.venue_order_id,
                exchange_time=at,
                message=outcome.message or outcome.code,
            )
        )
        self._asked.pop((account, outcome.client_order_id), None)

    # ------------------------------------------------------------------ listening

    def _take_in(self, now: datetime) -> int:
        """Store what the venue reported, then apply it; the raw report is safe first."""
        self._reports += self._venue.take_reports()
        reports = self._reports
        if reports:
            crash_at("R:before")
            store_reports(reports, fence=self.fence, shard=self._shard, now=now)
            crash_at("R:after")
            self._reports = []
            for report in reports:
                self._asked.pop((report.venue_account_id, report.client_order_id), None)
        # Reports that wait for others, or that a fault left behind, are tried now and then.
        if reports or time.monotonic() >= self._inbox_at:
            self._apply_inbox(now)
        return len(reports)

    def _apply_inbox(self, now: datetime) -> None:
        self._inbox_at = time.monotonic() + INBOX_SECONDS
        while True:
            applied = apply_inbox(APPLY_AT_ONCE, shard=self._shard, fence=self.fence, now=now)
            crash_at("F:after")
            self._tell(report.book_id for report in applied)
            if len(applied) < APPLY_AT_ONCE:
                return

    # ------------------------------------------------------------------ what is not known

    def _doubt_sent(self, now: datetime) -> None:
        """Make what an earlier owner was sending UNKNOWN: nobody knows how far it came."""
        in_flight = reconciliation.orders_in_flight(self._shard, now=now)
        lost = [
            Outcome(each.key[1], OutcomeKind.UNKNOWN, code="RESTART", message="sender restarted")
            for each in in_flight
            if each.status is OrderStatus.SENDING
        ]
        record_outcomes(lost, shard=self._shard, fence=self.fence, now=now)
        for each in in_flight:
            self._unknown.add(each.key, since=each.since)

    def _resolve(self, now: datetime, *, at_once: bool = False) -> int:
        """Look unknown orders up: adopt those the venue has, give those up that it has not."""
        resolved = self._unknown.resolve(now, at_once=at_once)
        absent = [each.key[1] for each in resolved if each.found is None]
        present = [each.found for each in resolved if each.found is not None]
        there = [
            Outcome(o.client_order_id, OutcomeKind.ACCEPTED, o.venue_order_id) for o in present
        ]
        shard, fence = self._shard, self.fence
        heard = mark_not_at_venue(absent, shard=shard, fence=fence, now=now)
        heard += record_outcomes(there, shard=shard, fence=fence, now=now)
        for order in present:
            if order.status in ENDED:
                self._reports.append(_end_of(order, now))
        self._tell(heard)
        return len(resolved)

    def _judge_accounts(self, at_venue: dict[int, str]) -> int:
        """Let only accounts trade that add up here and at the venue; return how many changed."""
        mismatches = at_venue | reconciliation.own_mismatches(self._shard)
        changed = reconciliation.mark_accounts(self._shard, mismatches=mismatches)
        for account, status in changed.items():
            logger.warning("venue account=%s is %s", account, status)
        return len(changed)

    def _tell(self, book_ids: Iterable[int]) -> None:
        for book_id in dict.fromkeys(book_ids):
            self._on_book_event(book_id)


def _nothing() -> None:
    """Take the place of the hint to the gateway: it is here already."""


def _require_no_transaction() -> None:
    if connection.in_atomic_block:
        raise VenueCallInTransaction("the gateway was called inside a database transaction")


ENDED = {
    "CANCELLED": ReportKind.CANCELLED,
    "EXPIRED": ReportKind.EXPIRED,
    "REJECTED": ReportKind.REJECTED,
}


def _end_of(order: VenueOrder, now: datetime) -> ExecutionReport:
    """Return the report of an end that was looked up; it waits for trades still to come."""
    return ExecutionReport(
        kind=ENDED[order.status],
        dedupe_key=f"{order.client_order_id}:{order.status}",
        venue_account_id=order.venue_account_id,
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        exchange_time=now,
        quantity=order.quantity,
        price=order.price,
        cumulative_quantity=order.filled_quantity,
        message="ended while its answer was not known",
    )


def _not_sent(ticket: OrderTicket) -> Outcome:
    return Outcome(
        ticket.client_order_id,
        OutcomeKind.NOT_SENT,
        code="SEND_DEADLINE",
        message="the claim was too old to send",
    )
