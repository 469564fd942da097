"""Addresses of the portfolio pages, under /console/."""

from django.urls import path

from portfolio.views import funds, order_acts, orders, positions, venue_accounts

app_name = "portfolio"
urlpatterns = [
    path("orders/", orders.order_list, name="order-list"),
    path("orders/rows/", orders.order_rows, name="order-rows"),
    path("orders/download/", orders.order_csv, name="order-download"),
    path("orders/cancel-all/", order_acts.order_cancel_all, name="order-cancel-all"),
    path("orders/cancel-all/ask/", order_acts.order_cancel_all_sheet, name="order-cancel-all-ask"),
    path("orders/<int:order_id>/", orders.order_detail, name="order-detail"),
    path("orders/<int:order_id>/row/", orders.order_row, name="order-row"),
    path("orders/<int:order_id>/modify/", order_acts.order_modify, name="order-modify"),
    path("orders/<int:order_id>/cancel/", order_acts.order_cancel, name="order-cancel"),
    path("ticket/<int:token>/place/", order_acts.order_place, name="order-place"),
    path("ticket/<int:token>/preview/", order_acts.order_preview, name="order-preview"),
    path("positions/", positions.position_list, name="position-list"),
    path("positions/download/", positions.position_csv, name="position-download"),
    path("positions/trades/", positions.trade_list, name="trade-list"),
    path("positions/trades/download/", positions.trade_csv, name="trade-download"),
    path("funds/", funds.funds, name="funds"),
    path("funds/download/", funds.statement_csv, name="statement-download"),
    path("venue-accounts/", venue_accounts.venue_account_list, name="venue-account-list"),
    path(
        "venue-accounts/connect/<str:venue>/",
        venue_accounts.venue_account_connect,
        name="venue-account-connect",
    ),
    path(
        "venue-accounts/<int:account_id>/",
        venue_accounts.venue_account_detail,
        name="venue-account-detail",
    ),
    path(
        "venue-accounts/<int:account_id>/key/",
        venue_accounts.venue_account_key,
        name="venue-account-key",
    ),
    path(
        "venue-accounts/<int:account_id>/key/remove/",
        venue_accounts.venue_account_key_remove,
        name="venue-account-key-remove",
    ),
    path(
        "venue-accounts/<int:account_id>/key/check/",
        venue_accounts.venue_account_check,
        name="venue-account-check",
    ),
    path(
        "venue-accounts/<int:account_id>/papers/",
        venue_accounts.venue_account_paper,
        name="venue-account-paper",
    ),
]
