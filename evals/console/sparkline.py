"""A suite's trend as a small drawing: scores, ceiling, and where it stops telling apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from evals.shelf import Measured

WIDTH, HEIGHT, EDGE = 120, 32, 4
_LEAST_SPAN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparkline:
    """Places in a box of `WIDTH` by `HEIGHT` units; `said` is the drawing in words."""

    dots: Sequence[tuple[float, float]]
    ceiling: float
    resolution: float | None
    """Where headroom is what the suite can just see; None with one checkpoint."""
    said: str

    @property
    def path(self) -> str:
        return " ".join(f"{x:g},{y:g}" for x, y in self.dots)


def sparkline(measured: Measured) -> Sparkline | None:
    """None before a checkpoint was measured."""
    points = measured.points
    if not points:
        return None
    edge = None if measured.mde is None else measured.ceiling - measured.mde
    scores = [point.score for point in points]
    low = min([*scores, *([edge] if edge is not None else [])])
    span = max(measured.ceiling, *scores) - low or _LEAST_SPAN
    days = [date.fromisoformat(point.day).toordinal() for point in points]
    long = (days[-1] - days[0]) or 1

    def across(day: int) -> float:
        share = (day - days[0]) / long if len(set(days)) > 1 else 0.5
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)

    def down(score: float) -> float:
        return round(EDGE + (1 - (score - low) / span) * (HEIGHT - 2 * EDGE), 1)

    return Sparkline(
        dots=[(across(day), down(score)) for day, score in zip(days, scores, strict=True)],
        ceiling=down(measured.ceiling),
        resolution=None if edge is None else down(edge),
        said=_said(scores, measured),
    )


def _said(scores: Sequence[float], measured: Measured) -> str:
    first, last = (f"{100 * score:.1f} %" for score in (scores[0], scores[-1]))
    moved = f"from {first} to {last}" if len(scores) > 1 else f"{last}"
    n = f"{len(scores)} checkpoint{'' if len(scores) == 1 else 's'}"
    return f"{n}, {moved}, under a ceiling of {100 * measured.ceiling:.1f} %"
