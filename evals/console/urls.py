"""The console's pages of `evals`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
