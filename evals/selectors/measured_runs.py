"""Which runs a suite is measured over, and their scores case by case."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from evals.models import Case, Metric, Run, SuiteVersion
from evals.selectors import scores
from evals.states import RunSource, RunState

if TYPE_CHECKING:
    from evals.score_tables import Floats

Key = tuple[str, str]
# A run counts for a version when it was asked, and answered, this share of its cases.
MIN_SHARE = 0.8
MOST_CHECKPOINTS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """A suite's newest published version for the checkpoints of one family and size."""

    version: SuiteVersion
    family_id: UUID
    size: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """The scores of several checkpoints on the cases that all of them were asked."""

    keys: Sequence[Key]
    clusters: Sequence[str | None] | None
    """None when no case names one."""
    table: Floats
    """Mean score, NaN when missing, shape (checkpoints, cases); the oldest checkpoint first."""

    @property
    def n_clusters(self) -> int:
        """Clusters of the cases; a case without one stands alone."""
        if self.clusters is None:
            return len(self.keys)
        named = {cluster for cluster in self.clusters if cluster is not None}
        return len(named) + sum(cluster is None for cluster in self.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What single cases still tell."""

    n_passed_by_all: int
    difficulty: Sequence[int]
    """Cases by mean score, in ten equal steps."""
    n_no_signal: int
    to_check: Sequence[tuple[str, float]]


def size_classes() -> list[SizeClass]:
    """Every suite's newest published version with each family and size that ran on the suite."""
    ran = _counted().values_list("version__suite", "checkpoint__family", "checkpoint__size")
    found = []
    for suite_id, family_id, size in sorted(set(ran.order_by()), key=str):
        newest = SuiteVersion.objects.select_related("suite__owner").filter(suite_id=suite_id)
        version = newest.filter(state="published").order_by("-number").first()
        if version is not None:
            found.append(SizeClass(version=version, family_id=family_id, size=size))
    return found


def runs_of(found: SizeClass) -> list[Run]:
    """Each checkpoint's newest run that counts for the version, the oldest checkpoint first."""
    rows = _counted().filter(
        version__suite=found.version.suite_id,
        checkpoint__family=found.family_id,
        checkpoint__size=found.size,
    )
    newest: dict[UUID, Run] = {}
    for run in rows.select_related("checkpoint", "version__suite").order_by(
        "version__number", "created_at"
    ):
        if _shared_share(found.version.pk, run.version_id) >= MIN_SHARE:
            newest[run.checkpoint_id] = run
    answered = _answered(list(newest.values()))
    kept = [run for run in newest.values() if answered.get(run.pk, 0.0) >= MIN_SHARE]
    kept.sort(key=lambda run: (run.checkpoint.registered_at, run.created_at))
    return kept[-MOST_CHECKPOINTS:]


def _counted() -> Any:
    """Completed runs of our own that asked every case.

    What another tool measured proves nothing of this suite.
    """
    return Run.objects.filter(state=RunState.COMPLETED.value, ended_because="").exclude(
        source=RunSource.IMPORTED.value
    )


def _answered(runs: Sequence[Run]) -> dict[UUID, float]:
    """Share of the cases with a score, a run."""
    rows = Metric.objects.filter(run__in=runs, node="").values_list("run", "n_cases", "n_missing")
    return {run: n / (n + missing) if n + missing else 0.0 for run, n, missing in rows}


@functools.lru_cache(maxsize=1024)
def _shared_share(version_id: UUID, other_id: UUID) -> float:
    """Share of the version's cases that the other has too; published versions never change."""
    if version_id == other_id:
        return 1.0
    ours, theirs = (set(_keys(pk)) for pk in (version_id, other_id))
    return len(ours & theirs) / len(ours) if ours else 0.0


def _keys(version_id: UUID) -> list[Key]:
    rows = Case.objects.filter(version=version_id).order_by("position")
    return list(rows.values_list("case_id", "digest"))


def scores_of(version: SuiteVersion, runs: Sequence[Run]) -> Seen:
    """The whole suite's score of every run on the version's cases that all of them share."""
    import numpy as np  # only where numbers are made

    rows = [_root_means(run) for run in runs]
    found = Case.objects.filter(version=version).order_by("position")
    cases = [
        (key, cluster or None)
        for *key_parts, cluster in found.values_list("case_id", "digest", "cluster")
        if all((key := (key_parts[0], key_parts[1])) in row for row in rows)
    ]
    clusters = [cluster for _, cluster in cases]
    return Seen(
        keys=[key for key, _ in cases],
        clusters=clusters if any(clusters) else None,
        table=np.array([[row[key] for key, _ in cases] for row in rows], np.float64),
    )


def _root_means(run: Run) -> Mapping[Key, float]:
    table = scores.score_table(run)
    root = table.at("")
    keys = table.keys.keys()
    means = zip(root.cases.tolist(), root.means().tolist(), strict=True)
    return {keys[case]: mean for case, mean in means}


def item_facts(seen: Seen, n_hints: int) -> ItemFacts:
    """Difficulty and discrimination of the cases; undefined is no signal, never 0."""
    import numpy as np  # only where numbers are made

    from releases.statistics.suite_items import item_discrimination

    answered = ~np.isnan(seen.table).any(axis=0)
    means = seen.table[:, answered].mean(axis=0)
    counted, _ = np.histogram(means, bins=10, range=(0.0, 1.0))
    keys = [key for key, kept in zip(seen.keys, answered.tolist(), strict=True) if kept]
    enough = len(seen.table) > 1 and len(keys) > 1
    r = item_discrimination(list(seen.table[:, answered])).r if enough else (None,) * len(keys)
    negative = sorted(
        (value, case_id)
        for value, (case_id, _) in zip(r, keys, strict=True)
        if value is not None and value < 0
    )
    return ItemFacts(
        n_passed_by_all=int((means == 1).sum()) if len(seen.table) > 1 else 0,
        difficulty=counted.tolist(),
        n_no_signal=sum(value is None for value in r),
        to_check=[(case_id, value) for value, case_id in negative[:n_hints]],
    )


def link(found: SizeClass) -> dict[str, Any] | None:
    """How the version's scores read on its predecessor's scale; None when nothing links them."""
    before = found.version.suite.versions.filter(
        number__lt=found.version.number, state="published"
    ).order_by("-number")
    older = before.first()
    if older is None:
        return None
    rows = _counted().filter(checkpoint__family=found.family_id, checkpoint__size=found.size)
    sides = [_difficulties(rows.filter(version=version)) for version in (older, found.version)]
    common = [key for key in sides[0] if key in sides[1]]
    return _linked(older, sides, common)


def _linked(
    older: SuiteVersion, sides: Sequence[Mapping[Key, float]], common: Sequence[Key]
) -> dict[str, Any] | None:
    from releases.statistics.linking import MIN_COMMON, link_suites  # NumPy

    if len(common) < MIN_COMMON:
        return None
    before, after = sides
    made = link_suites(
        [before[key] for key in common],
        [after[key] for key in common],
        sum(before.values()) / len(before),
        sum(after.values()) / len(after),
    )
    return {
        "version": older.number,
        "n_common": made.n_common,
        "offset": made.offset,
        "linking_error": made.linking_error,
    }


def _difficulties(runs: Any) -> dict[Key, float]:
    """Mean score of each case over the checkpoints that ran the version."""
    newest = runs.order_by("checkpoint_id", "-created_at").distinct("checkpoint_id")
    sums: dict[Key, list[float]] = {}
    for run in newest.select_related("version__suite")[:MOST_CHECKPOINTS]:
        for key, mean in _root_means(run).items():
            if mean == mean:  # NaN: missing
                sums.setdefault(key, []).append(mean)
    return {key: sum(values) / len(values) for key, values in sums.items()}
