"""The ASGI application: Django for the console and the management API."""

from __future__ import annotations

import importlib
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")

application = get_asgi_application()
# Makes the configured Celery application the one that tasks are sent by.
importlib.import_module("infra.celery")
