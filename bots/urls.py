"""Addresses of the bot pages, under /console/bots/."""

from django.urls import path

from bots.views import acts, create, pages

app_name = "bots"
urlpatterns = [
    path("", pages.bot_list, name="bot-list"),
    path("new/", create.bot_new, name="bot-new"),
    path("new/<str:kind>/", create.bot_create, name="bot-create"),
    path("new/<str:kind>/suggestions/", create.bot_suggestions, name="bot-suggestions"),
    path("new/<str:kind>/preview/", create.bot_preview, name="bot-preview"),
    path("new/<str:kind>/review/", create.bot_review, name="bot-review"),
    path("<int:bot_id>/", pages.bot_detail, name="bot-detail"),
    path("<int:bot_id>/live/", pages.bot_live, name="bot-live"),
    path("<int:bot_id>/ladder/", pages.bot_ladder, name="bot-ladder"),
    path("<int:bot_id>/fills/", pages.bot_fills, name="bot-fills"),
    path("<int:bot_id>/orders/", pages.bot_orders, name="bot-orders"),
    path("<int:bot_id>/timeline/", pages.bot_timeline, name="bot-timeline"),
    path("<int:bot_id>/<str:name>/", acts.bot_act, name="bot-act"),
]
