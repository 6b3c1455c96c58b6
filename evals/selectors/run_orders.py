"""The order in which a run asks its cases: its own for ever, whoever works on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evals import ordering
from evals.models import Run
from evals.ordering import Item, Slice

Unit = tuple[str, ...]


def units_of(run: Run, cases: Iterable[tuple[str, str]] | None = None) -> list[Unit]:
    """The case ids of a run that may stop early by cluster, in the order of its looks.

    Another order for every run: a seed that is used again must not try the same few cases again.
    `cases` are (case id, cluster) where they are known already.
    """
    known = _cases(run) if cases is None else cases
    return ordering.ordered_units(known, f"{run.seed}\x00{run.pk}")


def items_of(run: Run) -> list[Item]:
    """Every (case, repeat) in the run's order, of which each shard has a slice.

    A run that may stop early goes through its units whole, its shards side by side.
    """
    if not _goes_by_cluster(run):
        return ordering.ordered_items([case for case, _ in _cases(run)], run.repeats, run.seed)
    parts = ordering.dealt(units_of(run), run.shards.count())
    return ordering.unit_items([unit for part in parts for unit in part], run.repeats)


def slices_of(run: Run, n_shards: int) -> Sequence[Slice]:
    """The positions of each shard in that order."""
    if not _goes_by_cluster(run):
        return ordering.slices(run.n_expected, n_shards)
    return ordering.unit_slices(ordering.dealt(units_of(run), n_shards), run.repeats)


def _goes_by_cluster(run: Run) -> bool:
    return run.asks_by_cluster or run.stop_early_against_id is not None


def _cases(run: Run) -> list[tuple[str, str]]:
    return list(run.version.cases.values_list("case_id", "cluster"))
