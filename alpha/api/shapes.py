"""Bounds of numbers that PostgreSQL can keep."""

from __future__ import annotations

MAX_INTEGER = 2**31 - 1
MAX_BIG_INTEGER = 2**63 - 1
