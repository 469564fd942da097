"""Candles, partitioned by month (decisions 41). The table is made by our own SQL."""

from django.db import models

from market.models.instruments import Instrument


class Candle(models.Model):
    """One bar of one instrument from one source; `time` is the bar's start, market time."""

    pk = models.CompositePrimaryKey("instrument_id", "source", "interval", "time")
    instrument = models.ForeignKey(Instrument, models.DO_NOTHING, db_constraint=False)
    source = models.CharField(max_length=80)
    interval = models.CharField(max_length=12)
    time = models.DateTimeField()
    open = models.DecimalField(max_digits=28, decimal_places=12)
    high = models.DecimalField(max_digits=28, decimal_places=12)
    low = models.DecimalField(max_digits=28, decimal_places=12)
    close = models.DecimalField(max_digits=28, decimal_places=12)
    volume = models.DecimalField(max_digits=28, decimal_places=12)

    class Meta:
        managed = False
        db_table = "market_candle"

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.interval} {self.time:%Y-%m-%d %H:%M}"
