"""What there is to find, in the order in which groups are shown among equals. Pure."""

from __future__ import annotations

from enum import StrEnum


class HitKind(StrEnum):
    """What a hit is."""

    ACTION = "action"
    PAGE = "page"
    CHECKPOINT = "checkpoint"
    PROMOTION = "promotion"
    STAGE = "stage"
    SUITE = "suite"
    RUN = "run"
    PARTNER = "partner"
    FINDING = "finding"
    FEEDBACK = "feedback"
    CALL = "call"

    @property
    def rank(self) -> int:
        return list(HitKind).index(self)

    @property
    def plural(self) -> str:
        """The heading of a group of them."""
        return self.value if self is HitKind.FEEDBACK else f"{self.value}s"
