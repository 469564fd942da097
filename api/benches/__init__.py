"""Benches of the API, over HTTP against the real processes."""

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
if not apps.ready:
    django.setup()
