"""What can be watched and traded."""

from datetime import timedelta

from django.db import models

from market.domain.enums import Calendar, InstrumentKind, SourceKind
from market.domain.instruments import InstrumentSpec


class Instrument(models.Model):
    """One tradable or watchable thing. Its token is ours, stable, and never reused."""

    instrument_token = models.BigIntegerField(primary_key=True)
    exchange_token = models.BigIntegerField()
    exchange = models.CharField(max_length=12)
    tradingsymbol = models.CharField(max_length=60)
    display_name = models.CharField(max_length=60)
    name = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=8, choices=[(k, k) for k in InstrumentKind])
    segment = models.CharField(max_length=16)
    base_asset = models.CharField(max_length=60)
    quote_asset = models.CharField(max_length=12)
    tick_size = models.DecimalField(max_digits=28, decimal_places=12)
    lot_size = models.DecimalField(max_digits=28, decimal_places=12)
    min_quantity = models.DecimalField(max_digits=28, decimal_places=12)
    min_notional = models.DecimalField(max_digits=28, decimal_places=12, default=0)
    max_quantity = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    lower_circuit = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    upper_circuit = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    expiry = models.DateField(null=True, blank=True)
    strike = models.DecimalField(max_digits=28, decimal_places=12, null=True, blank=True)
    calendar = models.CharField(max_length=12, choices=[(c, c) for c in Calendar])
    freshness_limit = models.DurationField(default=timedelta(seconds=10))
    is_tradable = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "tradingsymbol"], name="instrument_symbol_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(tick_size__gt=0, lot_size__gt=0, min_quantity__gt=0),
                name="instrument_steps_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.symbol

    @property
    def symbol(self) -> str:
        """Return the key used on the wire, for example `NSE:ONGC`."""
        return f"{self.exchange}:{self.tradingsymbol}"

    @property
    def spec(self) -> InstrumentSpec:
        """Return the trading rules as a plain value, numbers without trailing zeros."""
        return InstrumentSpec(
            instrument_token=self.instrument_token,
            exchange=self.exchange,
            tradingsymbol=self.tradingsymbol,
            kind=InstrumentKind(self.kind),
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            tick_size=self.tick_size.normalize(),
            lot_size=self.lot_size.normalize(),
            min_quantity=self.min_quantity.normalize(),
            min_notional=self.min_notional.normalize(),
            max_quantity=None if self.max_quantity is None else self.max_quantity.normalize(),
            lower_circuit=self.lower_circuit,
            upper_circuit=self.upper_circuit,
            calendar=Calendar(self.calendar),
            freshness_limit=self.freshness_limit,
            is_tradable=self.is_tradable,
        )


class InstrumentSource(models.Model):
    """Which source gives an instrument its prices now (decisions 21): one, by lease and fence."""

    instrument = models.OneToOneField(Instrument, models.CASCADE, primary_key=True)
    source = models.CharField(
        max_length=12, choices=[(s, s) for s in SourceKind], default=SourceKind.SIMULATED
    )
    run = models.CharField(max_length=64, default="default")
    owner = models.CharField(max_length=80, blank=True)
    fence = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.instrument_id} from {self.source} {self.run}"
