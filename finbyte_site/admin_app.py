"""Django's admin with our own site in it."""

from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Every admin page asks for the second factor (`accounts.admin_site`)."""

    default = False
    default_site = "accounts.admin_site.StaffSite"
