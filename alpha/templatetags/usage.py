"""How large numbers look."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def grouped(value: int) -> str:
    """A count with its thousands set apart."""
    return f"{value:,}"
