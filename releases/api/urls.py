"""The management API's resources of `releases`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
