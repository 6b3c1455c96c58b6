"""Cases on which every checkpoint of a size scored the same: they tell none of them apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from evals.models import Run, SuiteVersion
from evals.selectors.measured_runs import SizeClass, runs_of, scores_of

MOST_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCases:
    """The constant cases over those checkpoints, by kind; each kind in the suite's order."""

    n_checkpoints: int
    passed_by_all: Sequence[str]
    failed_by_all: Sequence[str]
    """What nobody solves: too hard, or a wrong label."""
    same: Sequence[str]
    """Scored in between, alike by all."""

    @property
    def kinds(self) -> list[tuple[str, Sequence[str], Sequence[str]]]:
        """Each kind with its name, its first cases and all of them."""
        named = (
            ("Passed by all", self.passed_by_all),
            ("Failed by all", self.failed_by_all),
            ("Alike in between", self.same),
        )
        return [(name, cases[:MOST_SHOWN], cases) for name, cases in named if cases]


def dead_cases(version: SuiteVersion, family_id: UUID, size: str) -> DeadCases | None:
    """Over the checkpoints that the suite's health is measured by; None with fewer than two."""
    runs = runs_of(SizeClass(version=version, family_id=family_id, size=size))
    if len(runs) < 2:
        return None
    return _dead(version.pk, tuple(run.pk for run in runs))


@functools.lru_cache(maxsize=64)
def _dead(version_id: UUID, run_ids: tuple[UUID, ...]) -> DeadCases:
    """Neither published versions nor completed runs ever change."""
    import numpy as np  # only where numbers are made

    version = SuiteVersion.objects.select_related("suite").get(pk=version_id)
    runs = Run.objects.select_related("checkpoint", "version__suite").in_bulk(run_ids)
    seen = scores_of(version, [runs[pk] for pk in run_ids])
    if not seen.keys:
        return DeadCases(n_checkpoints=len(run_ids), passed_by_all=(), failed_by_all=(), same=())
    low, high = seen.table.min(axis=0), seen.table.max(axis=0)
    constant = np.flatnonzero(low == high).tolist()
    names = {at: seen.keys[at][0] for at in constant}
    return DeadCases(
        n_checkpoints=len(run_ids),
        passed_by_all=[name for at, name in names.items() if low[at] == 1],
        failed_by_all=[name for at, name in names.items() if low[at] == 0],
        same=[name for at, name in names.items() if 0 < low[at] < 1],
    )
