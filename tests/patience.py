"""Bounds in seconds for machines that others use."""

from __future__ import annotations

import os


def on_a_busy_machine(idle_s: float) -> float:
    """What takes so long on an idle machine may take here, with the other test process beside it.

    Three times as long at least, and longer as the load of the last minute grows.
    """
    return idle_s * max(3.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
