"""Addresses of orders and trades."""

from django.urls import path

from api.views import orders as views

urlpatterns = [
    path("orders", views.Orders.as_view(), name="orders"),
    path("orders/<str:order_id>/trades", views.OrderTrades.as_view(), name="order-trades"),
    path("orders/<str:name>", views.OrderOrVariety.as_view(), name="order-or-variety"),
    path("orders/<str:variety>/<str:order_id>", views.OneOrder.as_view(), name="order"),
    path("trades", views.Trades.as_view(), name="trades"),
]
