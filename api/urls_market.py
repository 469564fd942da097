"""Addresses of market data."""

from django.urls import path

from api.views import market, mutual_funds
from api.views.historical import HistoricalCandles

urlpatterns = [
    path("instruments", market.Instruments.as_view(), name="instruments"),
    path("instruments/rules", market.InstrumentRules.as_view(), name="instrument-rules"),
    path(
        "instruments/trigger_range/<str:transaction_type>",
        market.TriggerRange.as_view(),
        name="trigger-range",
    ),
    path(
        "instruments/historical/<int:instrument_token>/<str:interval>",
        HistoricalCandles.as_view(),
        name="historical-candles",
    ),
    path(
        "instruments/<str:exchange>",
        market.ExchangeInstruments.as_view(),
        name="exchange-instruments",
    ),
    path("quote", market.Quotes.as_view(), name="quotes"),
    path("quote/ohlc", market.Ohlc.as_view(), name="ohlc"),
    path("quote/ltp", market.LastPrices.as_view(), name="last-prices"),
    path("mf/instruments", mutual_funds.FundInstruments.as_view(), name="mf-instruments"),
    path("mf/orders", mutual_funds.FundOrders.as_view(), name="mf-orders"),
    path("mf/orders/<str:name>", mutual_funds.FundOrder.as_view(), name="mf-order"),
    path("mf/sips", mutual_funds.FundOrders.as_view(), name="mf-sips"),
    path("mf/sips/<str:name>", mutual_funds.FundOrder.as_view(), name="mf-sip"),
    path("mf/holdings", mutual_funds.FundList.as_view(), name="mf-holdings"),
    path("mf/holdings/<str:name>", mutual_funds.FundRow.as_view(), name="mf-holding"),
    path("mf/allotments", mutual_funds.FundList.as_view(), name="mf-allotments"),
]
