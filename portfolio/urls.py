"""Addresses of the portfolio pages, under /console/."""

from django.urls import path

from portfolio.views import funds, order_acts, orders, positions

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
]
