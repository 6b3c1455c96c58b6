"""Limits on what a key, a partner or a grant may use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """What may be used; None is no limit. Money in micro-units of the price's currency."""

    requests_per_minute: int | None = None
    """In any sixty seconds."""
    tokens_per_minute: int | None = None
    """In a minute of the clock."""
    concurrent_requests: int | None = None
    tokens_per_day: int | None = None
    """In a day of UTC, as the next one."""
    budget_micros_per_day: int | None = None
    tokens_total: int | None = None
    budget_micros: int | None = None

    def set_ones(self) -> Iterator[tuple[str, int]]:
        """Name and value of each limit there is."""
        for name in NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return any(True for _ in self.set_ones())

    @property
    def limits_minutes(self) -> bool:
        """Whether any limit is one of a minute: those are told on every answer."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None

    @property
    def needs_history(self) -> bool:
        """Whether any limit counts what was used long before: today, or ever."""
        return any(name in OF_HISTORY for name, _ in self.set_ones())


NAMES = tuple(field.name for field in fields(Quotas))
OF_HISTORY = frozenset(("tokens_per_day", "budget_micros_per_day", "tokens_total", "budget_micros"))
NO_LIMITS = Quotas()
MAX_INTEGER, MAX_BIG_INTEGER = 2**31 - 1, 2**63 - 1
# As large as its column keeps.
MOST = {name: MAX_INTEGER if "requests" in name else MAX_BIG_INTEGER for name in NAMES}
