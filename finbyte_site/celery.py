"""The Celery application: messages are hints, PostgreSQL is the truth."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finbyte_site.settings")

app = Celery("finbyte")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
