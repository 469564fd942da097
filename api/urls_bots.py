"""Addresses of bots."""

from django.urls import path

from api.views import bots as views

urlpatterns = [
    path("bots", views.Bots.as_view(), name="bots"),
    path("bots/kinds", views.Kinds.as_view(), name="bot-kinds"),
    path("bots/kinds/<str:kind>", views.Kind.as_view(), name="bot-kind"),
    path("bots/preview", views.Preview.as_view(), name="bot-preview"),
    path("bots/<int:bot_id>", views.OneBot.as_view(), name="bot"),
    path("bots/<int:bot_id>/orders", views.BotOrders.as_view(), name="bot-orders"),
    path("bots/<int:bot_id>/trades", views.BotTrades.as_view(), name="bot-trades"),
    path("bots/<int:bot_id>/profit", views.BotProfit.as_view(), name="bot-profit"),
    *(
        path(f"bots/<int:bot_id>/{name}", view.as_view(), name=f"bot-{name.replace('_', '-')}")
        for name, view in views.ACTS.items()
    ),
]
