"""One gateway on the bench: its orders, its prices, and the proof that it did the work."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from market.domain.enums import FillModel, OrderType, Side, SourceKind, TimeInForce
from market.domain.ticks import Quote
from market.selectors import instrument_by_symbol
from market.services.instruments import seed_instruments
from market.venues.paper import PaperVenue
from portfolio.gateway import Gateway
from portfolio.models import Trade
from portfolio.services.invariants import check_invariants
from portfolio.services.orders import OrderRequest, place_orders

_START = Decimal(262)
_TICK = Decimal("0.05")


class GatewayRun:
    """A started gateway with the paper venue, and books to place orders in."""

    def __init__(self, book_ids: Sequence[int]) -> None:
        self._book_ids = book_ids
        seed_instruments()
        self._instrument = instrument_by_symbol("NSE:ONGC").spec
        self._gateway = Gateway(
            PaperVenue(), shard=0, owner="bench", on_book_event=lambda _book_id: None
        )
        self._gateway.start(self.now())
        self.tick(_START)

    @staticmethod
    def now() -> datetime:
        """Return the wall time."""
        return timezone.now()

    def place(self, count: int) -> None:
        """Place a ladder of limit buys in every book."""
        requests = [
            OrderRequest(
                instrument=self._instrument,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                quantity=Decimal(1),
                time_in_force=TimeInForce.GTC,
                price=_START - _TICK * (number + 1),
            )
            for number in range(count)
        ]
        now = self.now()
        quotes = {self._instrument.instrument_token: self._quote(_START)}
        for book_id in self._book_ids:
            with transaction.atomic(durable=True):
                place_orders(book_id, requests, quotes=quotes, now=now, enqueue=lambda: None)

    def settle(self) -> None:
        """Pump until quiet."""
        while self._gateway.pump(self.now()):
            pass

    def tick(self, price: Decimal) -> None:
        """Move the price and let everything happen."""
        self._gateway.on_quotes([self._quote(price)], self.now())
        self.settle()

    def pump_quietly(self, count: int) -> None:
        """Pump when there is nothing to do."""
        for _ in range(count):
            self._gateway.pump(self.now())

    def check(self, trades: int) -> None:
        """Raise unless every order traded once and the books add up."""
        found = Trade.objects.count()
        if found != trades:
            raise ValueError(f"{found} trades instead of {trades}")
        violations = check_invariants(now=self.now())
        if violations:
            raise ValueError(f"invariants broken: {violations[:3]}")

    def _quote(self, price: Decimal) -> Quote:
        now = self.now()
        return Quote(
            instrument_token=self._instrument.instrument_token,
            source=SourceKind.SIMULATED,
            run="bench",
            fill_model=FillModel.LAST_TRADE,
            sequence=1,
            last_price=price,
            last_quantity=Decimal(1),
            volume=Decimal(1),
            open=price,
            high=price,
            low=price,
            previous_close=price,
            exchange_time=now,
            received_at=now,
            depth=None,
        )
