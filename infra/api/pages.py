"""How lists page."""

from __future__ import annotations

from rest_framework.pagination import LimitOffsetPagination


class Pages(LimitOffsetPagination):
    """`?limit=&offset=`, at most 1,000 rows a page."""

    default_limit = 100
    max_limit = 1000
