"""Addresses of the pages about looking at each other's accounts."""

from django.urls import path

from accounts.tasks import send_delegation_mail
from accounts.views import viewers, viewing

_MAIL = {"enqueue": send_delegation_mail.delay}
urlpatterns = [
    path("viewers", viewers.viewers, name="viewer-list"),
    path("viewers/offer", viewers.offer, _MAIL, name="viewer-offer"),
    path("viewers/<int:delegation_id>/accept", viewers.accept, _MAIL, name="viewer-accept"),
    path("viewers/<int:delegation_id>/revoke", viewers.revoke, _MAIL, name="viewer-revoke"),
    path("viewers/<int:delegation_id>/leave", viewers.leave, _MAIL, name="viewer-leave"),
    path("viewers/<int:delegation_id>/look", viewing.start, name="viewing-start"),
    path("viewers/stop", viewing.stop, name="viewing-stop"),
]
