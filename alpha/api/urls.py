"""The management API's resources of `alpha`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
