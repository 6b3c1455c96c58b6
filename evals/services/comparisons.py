"""Comparisons of two completed runs, made once and kept under the digest of their inputs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db import transaction

from evals.formats.contract import sha256_of
from evals.models import Comparison, Run, SuiteVersion
from evals.selectors import comparisons as reads
from evals.selectors import runs
from evals.states import RunState
from infra import clock
from infra.errors import InvalidInput, InvalidMove

if TYPE_CHECKING:
    from evals.selectors.comparisons import PairedRuns
    from releases.statistics.comparison import NodeComparison

# Part of the digest: a change of the method makes every comparison anew.
METHOD = "compare_nodes/1"
DEFAULT_MARGIN = 0.05
DEFAULT_CONFIDENCE = 0.95


def compare(
    *,
    candidate_run: Run,
    baseline_run: Run,
    margin: float = DEFAULT_MARGIN,
    confidence: float = DEFAULT_CONFIDENCE,
) -> Comparison:
    """Candidate against baseline on every node of the suite; the kept one when it was made before.

    Both runs are completed and of one suite, graded alike; cases are the same by id and content.
    A candidate that could stop early pays for its looks: see `interval_confidence`.
    """
    _check(candidate_run, baseline_run, margin, confidence)
    digest = _digest(candidate_run, baseline_run, margin, confidence)
    found = reads.comparisons().filter(input_digest=digest).first()
    if found is not None:
        return found
    pairs = reads.paired(candidate_run, baseline_run)
    level = interval_confidence(candidate_run, confidence)
    nodes = _nodes(pairs, str(candidate_run.version), margin, level)
    with transaction.atomic():
        made, _ = Comparison.objects.get_or_create(
            input_digest=digest,
            defaults={
                "candidate": candidate_run,
                "baseline": baseline_run,
                "margin": margin,
                "confidence": level,
                "nodes": nodes,
                "n_unmatched": pairs.n_unshared[""],
                "n_errored": pairs.n_errored,
                "compared_at": clock.now(),
            },
        )
    return made


def _nodes(
    pairs: PairedRuns, suite_name: str, margin: float, confidence: float
) -> list[dict[str, Any]]:
    from releases.statistics.comparison import compare_tables  # SciPy: only where numbers are made

    found = compare_tables(
        {node: pairs.table(node) for node in pairs.nodes},
        suite_name=suite_name,
        margin=margin,
        n_unshared=pairs.n_unshared,
        confidence=confidence,
    )
    return [{**_as_json(node), "n_beyond": pairs.n_beyond(label)} for label, node in found.items()]


def interval_confidence(run: Run, confidence: float) -> float:
    """Of the intervals of a run's comparison, so that all in all the asked confidence is kept.

    A run that may stop early spends a fifth of alpha on its looks: where they stopped it, the
    interval is theirs (99% of 95%), else the one at the end has what is left (96% of 95%).
    """
    from releases.statistics import early_stop  # SciPy: only where numbers are made

    if run.stop_early_against_id is None:
        return confidence
    stopped = runs.early_stop_of(run) is not None
    level = early_stop.running_confidence if stopped else early_stop.final_confidence
    return round(level(confidence), 12)


def _check(candidate_run: Run, baseline_run: Run, margin: float, confidence: float) -> None:
    for run in (candidate_run, baseline_run):
        if run.state != RunState.COMPLETED.value:
            message = (
                f"The run {run.pk} of {run.checkpoint} is {run.state}: only completed runs count."
            )
            raise InvalidMove("run_not_completed", message)
    if not (math.isfinite(margin) and 0 <= margin <= 1):
        raise InvalidInput("bad_margin", f"margin is {margin}: write a share of 1, such as 0.05.")
    if not (math.isfinite(confidence) and 0.5 <= confidence < 1):
        raise InvalidInput("bad_confidence", f"confidence is {confidence}: write such as 0.95.")
    check_comparable(candidate_run.version, baseline_run.version)


def check_comparable(ours: SuiteVersion, theirs: SuiteVersion) -> None:
    """InvalidInput unless both are of one suite and graded alike."""
    if ours.suite_id != theirs.suite_id:
        message = f"{ours} and {theirs} are different suites: nothing can be paired."
        raise InvalidInput("different_suites", message)
    for field in ("graders", "policy", "request"):
        if getattr(ours, field) != getattr(theirs, field):
            message = f"{ours} and {theirs} differ in their {field}: run both on one version."
            raise InvalidInput("graded_differently", message)


def _digest(candidate_run: Run, baseline_run: Run, margin: float, confidence: float) -> str:
    """Completed runs never change, so their ids stand for all that was read."""
    return sha256_of(
        {
            "method": METHOD,
            "candidate": str(candidate_run.pk),
            "baseline": str(baseline_run.pk),
            "margin": margin,
            "confidence": confidence,
        }
    )


def _as_json(node: NodeComparison) -> dict[str, Any]:
    """The node's fields; an end that is not finite becomes its name, as JSON has none."""
    return {
        key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(node).items()
    }
