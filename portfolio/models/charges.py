"""The rates that Indian equity trades are charged at."""

from django.db import models
from django.db.models import Q

from portfolio.domain.charges import Segment

EXCHANGES = ("NSE", "BSE")
# Together they stay far below the value traded: no sale costs more than it brings.
_MOST = "0.05"


def _rate(words: str) -> "models.DecimalField[str, str]":
    return models.DecimalField(max_digits=16, decimal_places=12, help_text=words)


class ChargeRates(models.Model):
    """Rates of an exchange and segment from a moment on; never changed: a new row follows.

    Of rows valid from the same moment the one added last counts, so that an announced mistake can
    be put right before its day.
    """

    exchange = models.CharField(max_length=12, choices=[(name, name) for name in EXCHANGES])
    segment = models.CharField(max_length=8, choices=[(each, each) for each in Segment])
    valid_from = models.DateTimeField()
    brokerage = _rate("Fraction of the value of an executed order.")
    brokerage_cap = models.DecimalField(
        max_digits=12, decimal_places=4, help_text="Rupees per executed order, at most."
    )
    tax_buy = _rate("STT on a buy, fraction of the value.")
    tax_sell = _rate("STT on a sell, fraction of the value.")
    exchange_turnover = _rate("The exchange's charge, fraction of the value.")
    investor_protection = _rate("For its protection fund (IPFT), fraction of the value; no GST.")
    sebi = _rate("SEBI's charge, fraction of the value.")
    stamp_buy = _rate("Stamp duty on a buy, fraction of the value.")
    gst = _rate("Fraction of brokerage, exchange charge and SEBI charge.")
    source = models.CharField(max_length=300, help_text="Where the rates are published.")

    class Meta:
        verbose_name_plural = "charge rates"
        constraints = [
            models.CheckConstraint(
                condition=Q(brokerage__range=(0, _MOST))
                & Q(tax_buy__range=(0, _MOST), tax_sell__range=(0, _MOST))
                & Q(exchange_turnover__range=(0, _MOST), investor_protection__range=(0, _MOST))
                & Q(sebi__range=(0, _MOST), stamp_buy__range=(0, _MOST))
                & Q(gst__range=(0, "0.5"), brokerage_cap__gte=0),
                name="charge_rates_sane",
            ),
            models.CheckConstraint(
                condition=Q(exchange__in=EXCHANGES, segment__in=list(Segment)),
                name="charge_rates_known_segment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.exchange} {self.segment} from {self.valid_from:%Y-%m-%d}"
