"""How win scores and their intervals look."""

from __future__ import annotations

from django import template

from alpha.preference_results import Interval

register = template.Library()


@register.filter
def percent(value: float) -> str:
    """A share in 0..1 as percent, to one decimal."""
    return f"{100 * value:.1f}%"


@register.filter
def ends(interval: Interval) -> str:
    """`(0.12..0.34)`; what is missing where there is too little for an interval."""
    if interval.lo is None or interval.hi is None:
        return "(too few raters for an interval)"
    return f"({interval.lo:.3f}..{interval.hi:.3f})"


@register.filter
def ends_percent(interval: Interval) -> str:
    """`(48.1..57.2%)`, inside 0 to 100."""
    if interval.lo is None or interval.hi is None:
        return "(too few raters for an interval)"
    return f"({100 * max(0.0, interval.lo):.1f}..{100 * min(1.0, interval.hi):.1f}%)"
