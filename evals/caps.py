"""What a run may spend at most. Pure."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 2**53
MOST_SECONDS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits of one run; None: no limit of that kind."""

    most_cost_micros: int | None = None
    """Micro-units of the price's currency, graders' own calls included."""
    most_tokens: int | None = None
    """Tokens read and written, graders' own calls included."""
    most_seconds: int | None = None
    """From its start, pauses not counted."""

    @property
    def is_spending(self) -> bool:
        """Whether spending is capped, which one process alone must count."""
        return self.most_cost_micros is not None or self.most_tokens is not None

    def problems(self) -> list[str]:
        """What is wrong with them, one sentence each."""
        named = (
            ("most_cost_micros", self.most_cost_micros, MOST),
            ("most_tokens", self.most_tokens, MOST),
            ("most_seconds", self.most_seconds, MOST_SECONDS),
        )
        return [
            f"{name} is {value:,}: choose 1 to {most:,}, or leave it out."
            for name, value, most in named
            if value is not None and not 1 <= value <= most
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run's recorded results have cost so far."""

    cost_micros: int = 0
    tokens: int = 0
