"""What every venue client must do: one suite, passed by each (style.md, habit 9).

A test class inherits `VenueContract` and gives `venue` and `set_price`.
"""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from market.domain.enums import Liquidity, OrderType, Side, TimeInForce
from market.domain.messages import OrderTicket, OutcomeKind, ReportKind

NOW = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
ACCOUNT, OTHER_ACCOUNT = 11, 12
TOKEN = 633601


def ticket(client_order_id="fb1", side=Side.BUY, price="99", quantity="10", **fields):
    """Return an order ticket; a limit buy of ten at 99 unless told."""
    values = {
        "venue_account_id": ACCOUNT,
        "client_order_id": client_order_id,
        "instrument_token": TOKEN,
        "side": side,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal(quantity),
        "time_in_force": TimeInForce.GTC,
        "price": None if price is None else Decimal(price),
    }
    return OrderTicket(**{**values, **fields})


def market_ticket(client_order_id="fb1", side=Side.BUY, quantity="10", protection=None, **fields):
    """Return a market order."""
    worst = None if protection is None else Decimal(protection)
    fields = {"order_type": OrderType.MARKET, "protection_price": worst, **fields}
    return ticket(client_order_id, side, None, quantity, **fields)


class VenueContract:
    """The suite. `set_price(venue, price)` makes the venue's last price move to `price`."""

    @pytest.fixture
    def venue(self):
        """Return a client with a price of 100 and no orders."""
        raise NotImplementedError

    def set_price(self, venue, price):
        """Move the price."""
        raise NotImplementedError

    def kinds(self, reports):
        return [(report.client_order_id, report.kind) for report in reports]

    def test_send_answers_each_ticket_in_order(self, venue):
        outcomes = venue.send([ticket("fb1"), ticket("fb2"), ticket("fb3")], now=NOW)
        assert [outcome.client_order_id for outcome in outcomes] == ["fb1", "fb2", "fb3"]
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
        assert len({outcome.venue_order_id for outcome in outcomes}) == 3
        assert all(outcome.venue_order_id for outcome in outcomes)

    def test_sending_nothing_does_nothing(self, venue):
        assert venue.send([], now=NOW) == []
        assert venue.take_reports() == []

    def test_an_accepted_order_is_found_and_listed(self, venue):
        (outcome,) = venue.send([ticket("fb1")], now=NOW)
        found = venue.query(ACCOUNT, "fb1")
        assert found == venue.open_orders(ACCOUNT)[0]
        assert found.venue_order_id == outcome.venue_order_id
        assert (found.side, found.quantity, found.price) == (Side.BUY, 10, Decimal(99))
        assert (found.filled_quantity, found.status) == (0, "OPEN")

    def test_an_unknown_order_is_none(self, venue):
        assert venue.query(ACCOUNT, "fb-nobody") is None
        assert venue.open_orders(ACCOUNT) == []

    def test_accounts_are_apart(self, venue):
        venue.send([ticket("fb1")], now=NOW)
        assert venue.query(OTHER_ACCOUNT, "fb1") is None
        assert venue.open_orders(OTHER_ACCOUNT) == []
        (outcome,) = venue.cancel(OTHER_ACCOUNT, ["fb1"], now=NOW)
        assert outcome.kind is OutcomeKind.REJECTED
        assert len(venue.open_orders(ACCOUNT)) == 1

    def test_the_same_id_again_is_a_duplicate(self, venue):
        venue.send([ticket("fb1")], now=NOW)
        (again,) = venue.send([ticket("fb1", quantity="20")], now=NOW)
        assert again.kind is OutcomeKind.DUPLICATE
        assert [order.quantity for order in venue.open_orders(ACCOUNT)] == [10]

    def test_a_cancel_is_reported_once(self, venue):
        venue.send([ticket("fb1"), ticket("fb2")], now=NOW)
        (outcome,) = venue.cancel(ACCOUNT, ["fb1"], now=NOW)
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert self.kinds(venue.take_reports()) == [("fb1", ReportKind.CANCELLED)]
        assert [order.client_order_id for order in venue.open_orders(ACCOUNT)] == ["fb2"]
        (again,) = venue.cancel(ACCOUNT, ["fb1"], now=NOW)
        assert again.kind is OutcomeKind.REJECTED
        assert venue.take_reports() == []

    def test_a_fill_is_reported_once_and_the_order_is_gone(self, venue):
        venue.send([ticket("fb1")], now=NOW)
        assert venue.take_reports() == []
        self.set_price(venue, "98")
        (report,) = venue.take_reports()
        assert (report.kind, report.quantity, report.price) == (ReportKind.TRADE, 10, Decimal(99))
        assert (report.cumulative_quantity, report.liquidity) == (10, Liquidity.MAKER)
        assert report.venue_trade_id == report.dedupe_key
        assert venue.open_orders(ACCOUNT) == []
        self.set_price(venue, "97")
        assert venue.take_reports() == []

    def test_reports_never_share_a_key(self, venue):
        venue.send([ticket(f"fb{n}", price=str(90 + n)) for n in range(1, 9)], now=NOW)
        venue.cancel(ACCOUNT, ["fb1", "fb2"], now=NOW)
        for price in ("95", "93", "92"):
            self.set_price(venue, price)
        reports = venue.take_reports()
        assert len({report.dedupe_key for report in reports}) == len(reports) == 8
        assert all(len(report.dedupe_key) <= 80 for report in reports)

    def test_a_market_order_fills_at_once_as_taker(self, venue):
        venue.send([market_ticket("fb1", Side.SELL)], now=NOW)
        reports = venue.take_reports()
        assert {report.liquidity for report in reports} == {Liquidity.TAKER}
        assert sum(report.quantity for report in reports) == 10
        assert venue.open_orders(ACCOUNT) == []

    def test_a_market_order_respects_its_protection(self, venue):
        venue.send([market_ticket("fb1", protection="90")], now=NOW)
        assert self.kinds(venue.take_reports()) == [("fb1", ReportKind.CANCELLED)]
        assert venue.open_orders(ACCOUNT) == []

    def test_an_ioc_order_does_not_rest(self, venue):
        venue.send([ticket("fb1", time_in_force=TimeInForce.IOC)], now=NOW)
        assert self.kinds(venue.take_reports()) == [("fb1", ReportKind.CANCELLED)]
        assert venue.open_orders(ACCOUNT) == []

    def test_a_stop_waits_for_its_trigger(self, venue):
        stop = ticket("fb1", Side.SELL, None, order_type=OrderType.SL_M, trigger_price=Decimal(95))
        venue.send([stop], now=NOW)
        self.set_price(venue, "96")
        assert venue.take_reports() == []
        assert venue.query(ACCOUNT, "fb1").status == "TRIGGER_PENDING"
        self.set_price(venue, "95")
        kinds = [report.kind for report in venue.take_reports()]
        assert kinds == [ReportKind.TRIGGERED, ReportKind.TRADE]

    def test_a_change_is_reported_and_carried_out(self, venue):
        first = ticket("fb1")
        venue.send([first], now=NOW)
        terms = replace(first.terms, quantity=Decimal(7), price=Decimal(97))
        outcome = venue.modify(first, terms=terms, now=NOW)
        assert outcome.kind is OutcomeKind.ACCEPTED
        (report,) = venue.take_reports()
        assert (report.kind, report.quantity, report.price) == (ReportKind.MODIFIED, 7, 97)
        self.set_price(venue, "98")
        assert venue.take_reports() == []
        self.set_price(venue, "96")
        (report,) = venue.take_reports()
        assert (report.quantity, report.price) == (7, 97)

    def test_a_change_of_an_order_that_is_gone_is_refused(self, venue):
        gone = ticket("fb1")
        outcome = venue.modify(gone, terms=replace(gone.terms, quantity=Decimal(7)), now=NOW)
        assert outcome.kind is OutcomeKind.REJECTED
        assert venue.take_reports() == []
