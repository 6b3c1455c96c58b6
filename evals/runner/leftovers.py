"""What killed workers left on this machine's disk."""

from __future__ import annotations

from evals.graders.python import folders
from evals.runner import journal


def clear() -> None:
    """Ship their finished results, of runs that are over too, and remove their graders' folders."""
    journal.ship_left()
    folders.clear_left()
