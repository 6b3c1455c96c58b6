"""The management API's resources of `evals`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
