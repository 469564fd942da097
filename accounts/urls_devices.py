"""Addresses of the pages about devices, addresses and sessions."""

from django.urls import path

from accounts.views import devices, sessions

urlpatterns = [
    path("sessions", sessions.sessions, name="sessions"),
    path("sessions/end-others", sessions.end_others, name="sessions-end"),
    path("sessions/<uuid:session_id>/end", sessions.end_session, name="session-end"),
    path("present", sessions.present, name="present"),
    path("devices", devices.devices, name="devices"),
    path("devices/revoke-all", devices.revoke_devices, name="devices-revoke"),
    path("devices/<int:device_id>/rename", devices.rename_device, name="device-rename"),
    path("devices/<int:device_id>/revoke", devices.revoke_device, name="device-revoke"),
    path("addresses", devices.addresses, name="addresses"),
    path("addresses/add", devices.add_address, name="address-add"),
    path("addresses/<int:address_id>/rename", devices.rename_address, name="address-rename"),
    path("addresses/<int:address_id>/revoke", devices.revoke_address, name="address-revoke"),
]
