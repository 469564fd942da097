"""Benches of the runtime. They run as `python -m`, so Django is set up here, before models."""

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")
if not apps.ready:
    django.setup()
