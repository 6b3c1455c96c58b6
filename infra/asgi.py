"""The ASGI application: Django for the console and the management API."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")

application = get_asgi_application()
