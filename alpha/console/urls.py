"""The console's pages of `alpha`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
