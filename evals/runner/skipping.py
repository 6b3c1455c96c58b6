"""What a run that ended early never asked: recorded as skipped, so that nothing is lost."""

from __future__ import annotations

from evals.runner import leases, storage
from evals.runner.grading import skipped_row
from evals.runner.leases import Lease
from evals.runner.work import read_work
from evals.services import run_controls

ROWS_AT_ONCE = 2_000


def skip_the_rest(lease: Lease, because: str) -> bool:
    """Record every item of the shard without a result as skipped; False when the lease is lost.

    Whoever takes the shard over after a kill finds the same cap reached and does the same.
    """
    work = read_work(lease)
    if work.calls:
        run_controls.note_early_end(run_id=lease.run_id, because=because)
    for first in range(0, len(work.calls), ROWS_AT_ONCE):
        calls = work.calls[first : first + ROWS_AT_ONCE]
        storage.write_results([skipped_row(work, call, because) for call in calls])
        if not leases.renew(lease):
            return False
    return True
