"""Addresses of the market pages, under /console/markets/."""

from django.urls import path

from market import views

app_name = "market"
urlpatterns = [
    path("", views.instrument_list, name="instrument-list"),
    path(
        "<str:exchange>/<str:tradingsymbol>/candles/",
        views.instrument_candles,
        name="instrument-candles",
    ),
    path(
        "<str:exchange>/<str:tradingsymbol>/depth/",
        views.instrument_depth,
        name="instrument-depth",
    ),
]
