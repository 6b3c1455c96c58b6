"""What `alpha` brings to the brief: remarks, findings, access that ends, today's calls."""

from __future__ import annotations

from alpha.brief.risks import risks
from alpha.brief.today import traffic
from alpha.brief.waits import waits
from infra.brief.contract import Asked, Part


def part(asked: Asked) -> Part:
    """In a constant number of queries."""
    return Part(waits=waits(asked), risks=risks(asked), traffic=traffic(asked))
