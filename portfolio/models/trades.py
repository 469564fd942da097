"""Trades and the positions they make."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models.managers import OwnedQuerySet
from market.domain.enums import Liquidity, Side
from market.models import Instrument
from portfolio.models.books import Book
from portfolio.models.orders import Order
from portfolio.models.venue_accounts import VenueAccount


class Trade(models.Model):
    """One execution. Quantity in units, price in quote asset, fee in `fee_asset`."""

    # Where an index of several columns begins with a key, the key needs none of its own.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="trades", db_index=False
    )
    venue_account = models.ForeignKey(
        VenueAccount, models.PROTECT, related_name="trades", db_index=False
    )
    book = models.ForeignKey(Book, models.PROTECT, related_name="trades", db_index=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="trades")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="trades")
    venue_trade_id = models.CharField(max_length=60)
    trade_date = models.DateField()
    side = models.CharField(max_length=4, choices=[(s, s) for s in Side])
    quantity = models.DecimalField(max_digits=28, decimal_places=12)
    price = models.DecimalField(max_digits=28, decimal_places=12)
    fee = models.DecimalField(max_digits=28, decimal_places=12)
    fee_asset = models.CharField(max_length=60)
    liquidity = models.CharField(max_length=5, choices=[(m, m) for m in Liquidity])
    realised = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    # Market time of the fill (decisions 19) and when we recorded it.
    exchange_time = models.DateTimeField()
    recorded_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["venue_account", "instrument", "trade_date", "venue_trade_id", "order"],
                name="trade_once",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, price__gt=0, fee__gte=0), name="trade_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="trade_user_newest"),
            models.Index(fields=["user", "recorded_at"], name="trade_user_recorded"),
            models.Index(fields=["book", "-id"], name="trade_book_newest"),
            models.Index(fields=["user", "instrument", "-id"], name="trade_user_instrument"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} at {self.price}"


class Position(models.Model):
    """What a book holds of one instrument: units and what they cost, never an average.

    `cost` is the quote asset paid for the units held (fees apart); a short position, which only
    an intraday book has, is a negative quantity with a negative cost: what it was sold for.
    `realised` is what closed units have earned against that cost, fees apart; `fees_quote` and
    `fees_base` are all fees. `opened_at`: since when it is not flat, on this side.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="positions")
    book = models.ForeignKey(Book, models.PROTECT, related_name="positions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="positions")
    quantity = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    cost = models.DecimalField(max_digits=40, decimal_places=12, default=0)
    realised = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    fees_quote = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    fees_base = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    buy_quantity = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    buy_value = models.DecimalField(max_digits=40, decimal_places=12, default=0)
    sell_quantity = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    sell_value = models.DecimalField(max_digits=40, decimal_places=12, default=0)
    opened_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["book", "instrument"], name="position_once"),
            models.CheckConstraint(
                condition=(Q(quantity__gte=0) | Q(cost__lte=0)) & (~Q(quantity=0) | Q(cost=0)),
                name="position_cost_of_its_side",
            ),
        ]
        indexes = [models.Index(fields=["user"], name="position_user")]

    def __str__(self) -> str:
        return f"{self.book_id} {self.instrument_id} {self.quantity}"
