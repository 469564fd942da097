"""One instrument at the paper venue: resting orders against the market's quotes (decisions 7).

Orders of our users never trade with each other: each trades with what the market shows. What is
shown is given out once, best price first and then first come, whoever asks. Not modelled: the
place in the venue's own queue, and what our orders would do to the market.
"""

from datetime import datetime
from decimal import Decimal
from heapq import heappop, heappush

from market.domain.enums import FillModel, Liquidity, Side, TimeInForce
from market.domain.matching import MatchingBook
from market.domain.messages import ReportKind
from market.domain.ticks import DepthLevel, Quote
from market.venues.paper_orders import PaperOrder, ReportLog, to_units

OTHER_PRICES = "the instrument's prices come from another source now"


class PaperMarket:
    """The books of one instrument: one per fill model, and one of stops that wait."""

    def __init__(self, log: ReportLog) -> None:
        self._log = log
        self._orders: dict[int, PaperOrder] = {}
        self._books = {model: MatchingBook() for model in FillModel}
        self._stops = MatchingBook()
        self._expiries: list[tuple[datetime, int]] = []
        self._waiting: list[PaperOrder] = []
        self._taken: dict[tuple[Side, int], int] = {}
        self._quote: Quote | None = None
        self._ended: list[PaperOrder] = []

    @property
    def quote(self) -> Quote | None:
        """Return the newest quote."""
        return self._quote

    def orders(self) -> list[PaperOrder]:
        """List the live orders, first come first."""
        return [self._orders[number] for number in sorted(self._orders)]

    # ------------------------------------------------------------------ prices

    def take_ended(self) -> list[PaperOrder]:
        """Return the orders that ended since the last call."""
        taken, self._ended = self._ended, []
        return taken

    def accept_quote(self, quote: Quote) -> None:
        """Match against a new quote."""
        self._expire(quote)
        if self._quote is None or self._quote.price_run != quote.price_run:
            self._end_strays(quote)
        previous, self._quote = self._quote, quote
        self._taken.clear()
        if self._orders:
            self._match_last_trade(quote, previous=previous)
            self._match_depth(quote)
            self._trigger_stops(quote)
            waiting, self._waiting = self._waiting, []
            for order in waiting:
                self._place(order)

    def _expire(self, quote: Quote) -> None:
        while self._expiries and self._expiries[0][0] <= quote.exchange_time:
            _, number = heappop(self._expiries)
            order = self._orders.get(number)
            if order is not None:
                self._end(order, ReportKind.EXPIRED, message=_end_of_life(order), at=quote)

    def _end_strays(self, quote: Quote) -> None:
        """End the orders that were decided on other prices: a recording's are not the market's."""
        for order in self.orders():
            if order.is_stray(quote.price_run):
                self._end(order, ReportKind.EXPIRED, message=OTHER_PRICES, at=quote)

    def _match_last_trade(self, quote: Quote, *, previous: Quote | None) -> None:
        """Fill every resting order that the last trade reached, completely and at its price."""
        book = self._books[FillModel.LAST_TRADE]
        if not len(book):
            return
        price = to_units(quote.last_price)
        crossed = [*book.match(Side.SELL, price), *book.match(Side.BUY, price)]
        origin = price if previous is None else to_units(previous.last_price)
        # A jump passes the nearest price first (bots.md 1.2).
        crossed.sort(key=lambda match: (abs(match[1] - origin), match[0]))
        for number, _, units in crossed:
            self._fill_resting(number, units, quote)

    def _match_depth(self, quote: Quote) -> None:
        """Let the displayed sizes, then the last trade, come in against the resting orders."""
        book = self._books[FillModel.QUOTE_DEPTH]
        if not len(book):
            return
        for incoming in (Side.SELL, Side.BUY):
            for index, level in enumerate(self._shown_to(incoming.opposite)):
                shown = to_units(level.quantity)
                matches = book.match(incoming, to_units(level.price), shown) if shown else []
                if shown and not matches:
                    break
                for number, _, units in matches:
                    self._use(incoming.opposite, index, units)
                    self._fill_resting(number, units, quote)
        if quote.depth is not None:
            self._match_trade_through(quote, book)

    def _match_trade_through(self, quote: Quote, book: MatchingBook) -> None:
        """Fill what the last trade went through: at its own price the queue is not known."""
        left = to_units(quote.last_quantity)
        price = to_units(quote.last_price)
        for incoming, limit in ((Side.SELL, price + 1), (Side.BUY, price - 1)):
            matches = book.match(incoming, limit, left) if left else []
            for number, _, units in matches:
                left -= units
                self._fill_resting(number, units, quote)

    def _trigger_stops(self, quote: Quote) -> None:
        # A BUY stop waits above the price as a SELL order would, and the other way round.
        price = to_units(quote.last_price)
        reached = [*self._stops.match(Side.BUY, price), *self._stops.match(Side.SELL, price)]
        for number, _, _ in sorted(reached):
            self._arm(self._orders[number], quote)

    # ------------------------------------------------------------------ orders

    def arrive(self, order: PaperOrder) -> None:
        """Take a new order in: fill it, let it rest, let it wait for its trigger, or end it."""
        self._keep(order)
        quote = self._quote
        if quote is not None and order.is_stray(quote.price_run):
            self._end(order, ReportKind.EXPIRED, message=OTHER_PRICES, at=quote)
        elif quote is not None and order.is_over(quote.exchange_time):
            self._end(order, ReportKind.EXPIRED, message=_end_of_life(order), at=quote)
        else:
            self._place(order)

    def restore(self, order: PaperOrder) -> None:
        """Put back an order that was here before a restart; nothing happens before a quote."""
        self._keep(order)
        if order.trigger_price is not None and not order.is_triggered:
            self._wait_for_trigger(order)
        elif _is_immediate(order):
            self._waiting.append(order)
        else:
            self._rest(order)

    def cancel(self, order: PaperOrder, *, at: datetime, message: str = "cancelled") -> None:
        """Take a live order out."""
        self._take_out(order)
        self._log.ended(
            order, ReportKind.CANCELLED, message=message, at=self._time(at), sequence=self._sequence
        )

    def change(self, order: PaperOrder, changed: PaperOrder, *, at: datetime) -> PaperOrder:
        """Put `changed` in an order's place; it keeps its place in time only by getting smaller."""
        book = self._book_of(order)
        only_smaller = (
            changed.price == order.price
            and _is_immediate(changed) == _is_immediate(order)
            and changed.ticket.expires_at == order.ticket.expires_at
            and changed.trigger_price == order.trigger_price
            and changed.quantity <= order.quantity
        )
        if only_smaller and order.number in book:
            book.reduce(order.number, changed.left)
            order.quantity = changed.quantity
            self._log.modified(order, at=self._time(at), sequence=self._sequence)
            return order
        self._take_out(order)
        self._log.modified(changed, at=self._time(at), sequence=self._sequence)
        self.arrive(changed)
        return changed

    def _keep(self, order: PaperOrder) -> None:
        if order.model is None:
            order.model = FillModel.LAST_TRADE if self._quote is None else self._quote.fill_model
        self._orders[order.number] = order
        if order.ticket.expires_at is not None:
            heappush(self._expiries, (order.ticket.expires_at, order.number))

    def _place(self, order: PaperOrder) -> None:
        quote = self._quote
        if order.trigger_price is not None and not order.is_triggered:
            if quote is not None and _is_reached(order, quote):
                self._arm(order, quote)
            else:
                self._wait_for_trigger(order)
        elif quote is None and _is_immediate(order):
            self._waiting.append(order)
        elif quote is None:
            self._rest(order)
        else:
            self._execute(order, quote, takes=_is_immediate(order))

    def _arm(self, order: PaperOrder, quote: Quote) -> None:
        self._log.triggered(order, at=quote.exchange_time, sequence=quote.sequence)
        self._execute(order, quote, takes=True)

    def _execute(self, order: PaperOrder, quote: Quote, *, takes: bool) -> None:
        """Trade with the market now where the model lets it; then rest or end."""
        if order.model is FillModel.QUOTE_DEPTH:
            self._take_shown(order, quote)
        elif takes and order.accepts(quote.last_price):
            self._fill(order, order.left, quote.last_price, quote=quote)
        if not order.left:
            return
        if _is_immediate(order):
            message = "nothing more was on offer within its price"
            self._end(order, ReportKind.CANCELLED, message=message, at=quote)
        else:
            self._rest(order)

    def _take_shown(self, order: PaperOrder, quote: Quote) -> None:
        side = order.side
        for index, level in enumerate(self._shown_to(side)):
            if not order.left or not order.accepts(level.price):
                return
            units = min(order.left, to_units(level.quantity) - self._taken.get((side, index), 0))
            if units > 0:
                self._use(side, index, units)
                self._fill(order, units, level.price, quote=quote)

    # ------------------------------------------------------------------ small steps

    def _fill_resting(self, number: int, units: int, quote: Quote) -> None:
        order = self._orders[number]
        assert order.price is not None  # noqa: S101 - only priced orders rest
        self._fill(order, units, order.price, quote=quote, liquidity=Liquidity.MAKER)

    def _fill(
        self,
        order: PaperOrder,
        units: int,
        price: Decimal,
        *,
        quote: Quote,
        liquidity: Liquidity = Liquidity.TAKER,
    ) -> None:
        self._log.trade(
            order,
            units,
            price,
            liquidity=liquidity,
            at=quote.exchange_time,
            sequence=quote.sequence,
        )
        if not order.left:
            del self._orders[order.number]
            self._ended.append(order)

    def _end(self, order: PaperOrder, kind: ReportKind, *, message: str, at: Quote) -> None:
        self._take_out(order)
        self._log.ended(order, kind, message=message, at=at.exchange_time, sequence=at.sequence)

    def _take_out(self, order: PaperOrder) -> None:
        del self._orders[order.number]
        self._ended.append(order)
        self._book_of(order).cancel(order.number)
        if order in self._waiting:
            self._waiting.remove(order)

    def _rest(self, order: PaperOrder) -> None:
        assert order.price is not None  # noqa: S101 - an order without a price is immediate
        book = self._resting_book(order)
        book.add(order.number, to_units(order.price), order.left, side=order.side)

    def _wait_for_trigger(self, order: PaperOrder) -> None:
        assert order.trigger_price is not None  # noqa: S101 - the caller looked
        order.status = "TRIGGER_PENDING"
        self._stops.add(
            order.number, to_units(order.trigger_price), order.left, side=order.side.opposite
        )

    def _book_of(self, order: PaperOrder) -> MatchingBook:
        if order.number in self._stops:
            return self._stops
        return self._resting_book(order)

    def _resting_book(self, order: PaperOrder) -> MatchingBook:
        assert order.model is not None  # noqa: S101 - settled on arrival
        return self._books[order.model]

    def _shown_to(self, side: Side) -> tuple[DepthLevel, ...]:
        """Return what a side can take: displayed levels, or the last trade without a book."""
        quote = self._quote
        if quote is None:
            return ()
        if quote.depth is None:
            return (DepthLevel(quote.last_price, quote.last_quantity),)
        return quote.depth.asks if side is Side.BUY else quote.depth.bids

    def _use(self, side: Side, index: int, units: int) -> None:
        self._taken[side, index] = self._taken.get((side, index), 0) + units

    def _time(self, at: datetime) -> datetime:
        return at if self._quote is None else self._quote.exchange_time

    @property
    def _sequence(self) -> int:
        return 0 if self._quote is None else self._quote.sequence


def _end_of_life(order: PaperOrder) -> str:
    if order.ticket.time_in_force is TimeInForce.TTL:
        return "the minutes of its validity are over"
    return "the day ended"


def _is_immediate(order: PaperOrder) -> bool:
    return order.price is None or order.ticket.time_in_force is TimeInForce.IOC


def _is_reached(order: PaperOrder, quote: Quote) -> bool:
    assert order.trigger_price is not None  # noqa: S101 - asked of stops only
    if order.side is Side.BUY:
        return quote.last_price >= order.trigger_price
    return quote.last_price <= order.trigger_price
