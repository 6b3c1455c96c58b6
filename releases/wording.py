"""Small turns of phrase that sentences share. Pure."""

from __future__ import annotations


def quoted(words: str) -> str:
    """Somebody's words as the end of a sentence; no second full stop where they bring their own."""
    said = words.strip()
    return f"“{said}”" if said.endswith((".", "!", "?", "…")) else f"“{said}”."
