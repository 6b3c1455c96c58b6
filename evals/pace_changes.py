"""A change of an endpoint's limit, as workers see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceSeen:
    """What one look of a worker changed."""

    endpoint: str
    limit: float
    """Calls at once, all workers together."""
    cause: str
    """`throttled` or `grew`."""
    n_workers: int
    changed_at: datetime
