"""Addresses of the margin and charges calculators."""

from django.urls import path

from api.views import charges as views

urlpatterns = [
    path("margins/orders", views.OrderMargins.as_view(), name="margins-orders"),
    path("margins/basket", views.BasketMargins.as_view(), name="margins-basket"),
    path("charges/orders", views.OrderCharges.as_view(), name="charges-orders"),
]
