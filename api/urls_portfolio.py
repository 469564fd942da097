"""Addresses of positions, holdings and money."""

from django.urls import path

from api.views import portfolio as views

urlpatterns = [
    path("portfolio/positions", views.Positions.as_view(), name="positions"),
    path("portfolio/holdings", views.Holdings.as_view(), name="holdings"),
    path("portfolio/holdings/summary", views.HoldingsSummary.as_view(), name="holdings-summary"),
    path("portfolio/holdings/compact", views.CompactHoldings.as_view(), name="holdings-compact"),
    path("portfolio/holdings/auctions", views.Auctions.as_view(), name="holdings-auctions"),
    path("portfolio/holdings/authorise", views.Authorise.as_view(), name="holdings-authorise"),
    path("user/margins", views.Margins.as_view(), name="margins"),
    path("user/margins/<str:segment>", views.SegmentMargins.as_view(), name="segment-margins"),
]
