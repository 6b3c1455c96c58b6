"""Reads over replays: sets, their runs, and what each failure mode came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.fields.json import KeyTransform

from evals.models import Comparison, ReplaySet, Result, Run
from evals.selectors import scores
from evals.states import RunSource, RunState
from infra.errors import NotFound

DIVERGED = "diverged"
GONE = "conversation_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRate:
    """How often one failure mode is to be expected, from one run."""

    mode: str
    sentence: str
    severity: str
    n: int
    """Conversations graded for it."""
    n_missing: int
    """Diverged, gone, or not graded: no failure and no success."""
    predicted_rate: float | None
    """None when nothing was graded."""
    lo: float | None
    hi: float | None
    method: str
    n_clusters: int
    blind_below: int | None
    """N: what happens in fewer than 1 in N conversations would probably not have been seen."""

    @property
    def told(self) -> str:
        """`loops: 1.2% (95% CI 0.4..2.9), 400 conversations; blind below 1 in 134`."""
        if self.predicted_rate is None or self.lo is None or self.hi is None:
            return f"{self.mode}: nothing was graded"
        ends = f"{100 * self.lo:.3g}..{100 * self.hi:.3g}"
        return (
            f"{self.mode}: {100 * self.predicted_rate:.3g}% (95% CI {ends}), {self.n:,} "
            f"conversations; blind below 1 in {self.blind_below:,}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeDelta:
    """A mode's rate less the other checkpoint's on the same prefixes; above 0 is worse."""

    mode: str
    delta: float | None
    lo: float | None
    hi: float | None
    verdict: str

    @property
    def told(self) -> str:
        """`loops: +1.2 points (95% CI -0.4..2.8)`."""
        if self.delta is None or self.lo is None or self.hi is None:
            return f"{self.mode}: too few to compare"
        ends = f"{100 * self.lo:+.3g}..{100 * self.hi:+.3g}"
        return f"{self.mode}: {100 * self.delta:+.3g} points (95% CI {ends})"


def replay_sets() -> QuerySet[ReplaySet]:
    """Newest first, with how many runs were completed."""
    done = Q(version__runs__state=RunState.COMPLETED.value)
    return ReplaySet.objects.select_related("version__suite", "stage").annotate(
        n_runs=Count("version__runs", filter=done)
    )


def replay_set_named(reference: str) -> ReplaySet:
    """The newest set of that name, or `name@2`; NotFound."""
    name, _, number = reference.partition("@")
    found = replay_sets().filter(version__suite__name=name)
    if number:
        found = found.filter(version__number=int(number)) if number.isdecimal() else found.none()
    row = found.order_by("-version__number").first()
    if row is None:
        message = f"There is no replay set {reference!r}: draw one with `manage.py replay draw`."
        raise NotFound("no_such_replay_set", message)
    return row


def replay_set_with_id(set_id: UUID) -> ReplaySet:
    """That set; NotFound."""
    row = replay_sets().filter(pk=set_id).first()
    if row is None:
        raise NotFound("no_such_replay_set", f"There is no replay set {set_id}.")
    return row


def replays(recorded: bool = False) -> QuerySet[Run]:
    """Runs over replay sets, newest first: of called checkpoints, or of recorded replies."""
    source = RunSource.RECORDED if recorded else RunSource.CALLED
    found = Run.objects.filter(version__replay_set__isnull=False, source=source.value)
    return found.select_related("version__suite", "version__replay_set", "checkpoint")


def newest_replay(checkpoint_id: UUID, reference: str = "", recorded: bool = False) -> Run | None:
    """The checkpoint's newest replay that asked everything, of that set when it is named."""
    found = replays(recorded).filter(
        checkpoint=checkpoint_id, state=RunState.COMPLETED.value, ended_because=""
    )
    if reference:
        found = found.filter(version=replay_set_named(reference).version_id)
    return found.order_by("-created_at").first()


def replay_with_id(run_id: UUID) -> Run:
    """That replay of either kind; NotFound."""
    related = ("version__suite", "version__replay_set", "checkpoint")
    found = Run.objects.filter(pk=run_id, version__replay_set__isnull=False)
    run = found.select_related(*related).first()
    if run is None:
        raise NotFound("no_such_replay", f"There is no replay {run_id}.")
    return run


def mode_rates(run: Run, confidence: float = 0.95) -> list[ModeRate]:
    """Each mode of the set's catalogue, in its order.

    A rate is one less the mean score of the mode's grader. Clusters are those of the cases:
    partners where the set has five or more, else the conversations themselves.
    """
    table = scores.score_table(run)
    return [_rate(table, mode, confidence) for mode in run.version.replay_set.catalogue]


def _rate(table: Any, mode: Mapping[str, Any], confidence: float) -> ModeRate:
    import numpy as np  # only where numbers are made

    from releases.statistics.failure_rates import failure_rate  # SciPy

    means = table.at(mode["mode"]).means()
    has_one = ~np.isnan(means)
    told = {name: mode[name] for name in ("mode", "sentence", "severity")}
    n_missing = int((~has_one).sum())
    if not has_one.any():
        nothing = dict.fromkeys(("predicted_rate", "lo", "hi", "blind_below"))
        return ModeRate(**told, **nothing, n=0, n_missing=n_missing, method="", n_clusters=0)
    clusters = [
        cluster
        for cluster, kept in zip(table.node_clusters(mode["mode"]), has_one, strict=True)
        if kept
    ]
    has_clusters = any(cluster is not None for cluster in clusters)
    found = failure_rate(1 - means[has_one], clusters if has_clusters else None, confidence)
    return ModeRate(
        **told,
        n=found.n,
        n_missing=n_missing,
        predicted_rate=found.rate,
        lo=found.lo,
        hi=found.hi,
        method=found.method,
        n_clusters=found.n_clusters,
        blind_below=found.blind_below,
    )


def as_rows(rates: Sequence[ModeRate | ModeDelta]) -> list[dict[str, Any]]:
    """As the gate, the API and the command line tell them."""
    return [asdict(rate) for rate in rates]


def mode_deltas(run: Run, comparison: Comparison) -> list[ModeDelta]:
    """The comparison's nodes turned round: a score that falls is a rate that rises."""
    nodes = {node["node"]: node for node in comparison.nodes}
    found = []
    for mode in run.version.replay_set.catalogue:
        node = nodes.get(mode["mode"], {})
        delta, lo, hi = (_negated(node.get(name)) for name in ("delta", "hi", "lo"))
        verdict = str(node.get("verdict", "insufficient"))
        found.append(ModeDelta(mode=mode["mode"], delta=delta, lo=lo, hi=hi, verdict=verdict))
    return found


def _negated(value: Any) -> float | None:
    # Not -value: there is no -0.0 points.
    return 0.0 - value if isinstance(value, int | float) else None


def outcomes_of(run: Run) -> dict[str, int]:
    """Conversations by what became of them: graded, diverged, gone, errored, skipped."""
    rows = Result.objects.filter(run=run).order_by().values_list("state", "error_code")
    found = {"graded": 0, "diverged": 0, "gone": 0, "errored": 0, "skipped": 0}
    for state, code, n in rows.annotate(n=Count("pk")):
        special = {DIVERGED: "diverged", GONE: "gone"}.get(code)
        known = state if state in ("errored", "skipped") else "graded"
        found[special or known] += n
    return found


def failing(run: Run, mode: str) -> QuerySet[Result]:
    """Results in which the mode shows, in the order of the cases; NotFound for no such mode."""
    if mode not in {one["mode"] for one in run.version.replay_set.catalogue}:
        raise NotFound("no_such_mode", f"{run.version} has no failure mode {mode!r}.")
    score = KeyTransform("score", KeyTransform(mode, "components"))
    found = Result.objects.filter(run=run).annotate(mode_score=score).filter(mode_score__lt=1)
    found = found.select_related("case")
    return found.order_by("case__position", "repeat")


def comparable(run: Run) -> list[Run]:
    """The newest whole replay of every other checkpoint on the same version, newest first."""
    found = (
        replays()
        .filter(version=run.version_id, state=RunState.COMPLETED.value, ended_because="")
        .exclude(checkpoint=run.checkpoint_id)
        .order_by("checkpoint_id", "-created_at")
        .distinct("checkpoint_id")
    )
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def incumbent_run(run: Run, checkpoint_id: UUID) -> Run | None:
    """That checkpoint's newest whole replay of the same version."""
    return next((one for one in comparable(run) if one.checkpoint_id == checkpoint_id), None)
