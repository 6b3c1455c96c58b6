"""Why an eval of the registry is left out."""

from __future__ import annotations


class NotExpressibleError(Exception):
    """An eval that no grader here stands for, and why."""
