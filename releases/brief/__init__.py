"""What `releases` brings to the brief: decisions that wait, and what holds them up."""

from __future__ import annotations

from infra.brief.contract import Asked, Part
from releases.brief.risks import risks
from releases.brief.waits import waits


def part(asked: Asked) -> Part:
    """In a constant number of queries."""
    return Part(waits=waits(asked), risks=risks(asked))
