"""What suites, runs and comparisons tell the gates that ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from evals import judge_evidence, past
from evals.models import Comparison, Run, SuiteVersion
from evals.selectors import health, judges, method_inputs, runs, scores, suites, tries
from evals.selectors.comparisons import comparison_with_id, nodes_of
from evals.selectors.judged import JudgeUse
from evals.selectors.progress import progress
from evals.services import comparisons
from infra.errors import DomainError, NotFound
from releases.gates.contract import Evidence, Gate, Subject
from releases.models import Checkpoint, Release
from releases.replay.method_inputs import MethodInput
from releases.selectors.checkpoints import checkpoint_named
from releases.states import Arm, ReleaseState

KINDS = frozenset({"eval_floor", "eval_no_regression", "eval_improvement", "eval_fresh"})


class _NotYet(Exception):
    """There is no evidence yet; the message says which, and how to get it."""

    def __init__(self, sentence: str, inputs: Mapping[str, str]) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.inputs = inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one gate asks about."""

    gate: Gate
    subject: Subject
    version: SuiteVersion
    checkpoint: Checkpoint
    inputs: Mapping[str, str]
    now: datetime
    then: datetime | None
    """A past moment as of which it is answered; None: now."""

    @property
    def confidence(self) -> float:
        return float(self.gate.options.get("confidence", comparisons.DEFAULT_CONFIDENCE))

    @property
    def allows_imported(self) -> bool:
        """Whether runs that another tool made may be judged; not unless the gate says so."""
        return bool(self.gate.options.get("allow_imported", False))

    @property
    def reference(self) -> str:
        """The suite as the gate names it, pinned or not."""
        return str(self.gate.options["suite"])


class EvalEvidence:
    """Evidence of the eval kinds: floors, comparisons, freshness."""

    kinds = KINDS

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """What is known now; `missing` names the command that would make it known."""
        return self._gathered(gate, subject, now, None)

    def gather_as_of(self, gate: Gate, subject: Subject, then: datetime) -> Evidence:
        """What was known at a past moment: by runs, versions, baselines and dates of then."""
        return self._gathered(gate, subject, then, then)

    def _gathered(
        self, gate: Gate, subject: Subject, now: datetime, then: datetime | None
    ) -> Evidence:
        try:
            asked = _asked(gate, subject, now, then)
            observed, inputs, url = _GATHERERS[gate.kind](asked)
        except _NotYet as missing:
            return Evidence(missing=missing.sentence, inputs=missing.inputs)
        except judge_evidence.Unfit as unfit:
            return Evidence(problem=unfit.message, inputs=unfit.inputs)
        except DomainError as refusal:
            return Evidence(problem=refusal.message)
        if then is not None:
            asked.version.suite.review_by = past.review_by_then(asked.version.suite, then)
        state, reason, row = health.version_state(
            asked.version, now.date(), family=subject.family, size=subject.size, then=then
        )
        shared = {
            "suite": asked.version.suite.name,
            "version": asked.version.number,
            "suite_state": state.value,
            "reason": reason,
            "suite_health": str(row.pk) if row else None,
        }
        return Evidence(observed={**shared, **observed}, inputs={**asked.inputs, **inputs}, url=url)

    def inputs_of(self, gate: Gate, observed: Mapping[str, Any]) -> list[MethodInput]:
        """What the recorded numbers were computed from; nothing for a gate without numbers."""
        confidence = float(gate.options.get("confidence", comparisons.DEFAULT_CONFIDENCE))
        uses = judge_evidence.uses_recorded(observed)
        if "run_id" in observed:
            run = runs.run_with_id(UUID(observed["run_id"]))
            plain = method_inputs.mean_inputs(run, confidence)
            return list({**plain, **judge_evidence.mean_inputs(run, uses, confidence)}.values())
        found = _inputs_compared(observed.get("comparison_id"), (), uses)
        anchor = observed.get("anchor") or {}
        return found + _inputs_compared(anchor.get("comparison_id"), ("anchor",), uses)


def _inputs_compared(
    comparison_id: str | None, at: tuple[str, ...], uses: Sequence[JudgeUse]
) -> list[MethodInput]:
    if comparison_id is None:
        return []
    made = comparison_with_id(UUID(comparison_id))
    found = method_inputs.comparison_inputs(made)
    found |= judge_evidence.delta_inputs(made, uses)
    return [replace(call, at=(*at, *call.at)) for call in found.values()]


Gathered = tuple[Mapping[str, Any], Mapping[str, str], str]


def _asked(gate: Gate, subject: Subject, now: datetime, then: datetime | None) -> _Asked:
    reference = str(gate.options["suite"])
    base = {"checkpoint": subject.checkpoint_digest}
    try:
        version = past.version_then(reference, then) if then else suites.version_named(reference)
    except NotFound as error:
        raise _NotYet(f"{error.message} Import it with `manage.py suite import`.", base) from error
    return _Asked(
        gate=gate,
        subject=subject,
        version=version,
        checkpoint=Checkpoint.objects.get(pk=subject.checkpoint_id),
        inputs={
            **base,
            **suites.input_digests(version, reference),
            **judges.input_digests(version, then),
        },
        now=now,
        then=then,
    )


def _floor(asked: _Asked) -> Gathered:
    run = _run_of(asked, asked.checkpoint)
    if asked.confidence == comparisons.DEFAULT_CONFIDENCE:
        nodes = {
            metric.node: {
                "n": metric.n_cases,
                "n_clusters": metric.n_clusters,
                "n_missing": metric.n_missing,
                "mean": metric.mean,
                "lo": metric.lo,
                "hi": metric.hi,
            }
            for metric in run.metrics.all()
        }
    else:
        fields = ("n", "n_clusters", "n_missing", "mean", "lo", "hi")
        means = scores.node_means(run, asked.confidence)
        nodes = {
            node: {name: getattr(mean, name) for name in fields} for node, mean in means.items()
        }
    corrected = judge_evidence.corrected_means(asked, run, nodes)
    observed = {"run_id": str(run.pk), **corrected, "imported": _imported(run)}
    return observed, {}, f"/console/runs/{run.pk}/"


def _against_baseline(asked: _Asked) -> Gathered:
    baseline = _run_of(asked, _baseline(asked))
    candidate = _run_of(asked, asked.checkpoint, against=baseline)
    margin = float(asked.gate.options.get("margin", 0.0))
    made = _compared(asked, candidate, baseline, margin)
    observed = {
        "candidate": candidate.checkpoint.name,
        "baseline": baseline.checkpoint.name,
        "candidate_run": str(candidate.pk),
        "baseline_run": str(baseline.pk),
        "comparison_id": str(made.pk),
        **judge_evidence.corrected_deltas(asked, made, nodes_of(made)),
        "n_tried": tries.n_tried(candidate, asked.then),
        "n_unmatched": made.n_unmatched,
        "n_errored": made.n_errored,
        "anchor": None,
        "imported": _imported(candidate, baseline),
        **_looked_at(asked, made),
    }
    inputs = {"baseline": baseline.checkpoint.checkpoint_digest}
    anchor = asked.gate.options.get("anchor")
    if anchor is not None:
        against = _run_of(asked, checkpoint_named(anchor["checkpoint"]))
        other = _compared(asked, candidate, against, float(anchor["margin"]))
        observed["anchor"] = {
            "checkpoint": anchor["checkpoint"],
            "comparison_id": str(other.pk),
            **judge_evidence.corrected_deltas(asked, other, nodes_of(other)),
        }
        observed["imported"] = _imported(candidate, baseline, against)
        inputs["anchor"] = against.checkpoint.checkpoint_digest
    return observed, inputs, f"/console/comparisons/{made.pk}/"


def _looked_at(asked: _Asked, made: Comparison) -> dict[str, Any]:
    """The confidence of intervals that pay for looks at the run; nothing for any other run."""
    if made.confidence == asked.confidence:
        return {}
    return {"confidence": made.confidence}


def _fresh(asked: _Asked) -> Gathered:
    suite = asked.version.suite
    return {"review_by": suite.review_by.isoformat()}, {}, f"/console/suites/{suite.name}/"


_GATHERERS = {
    "eval_floor": _floor,
    "eval_no_regression": _against_baseline,
    "eval_improvement": _against_baseline,
    "eval_fresh": _fresh,
}


def _compared(asked: _Asked, candidate: Run, baseline: Run, margin: float) -> Comparison:
    return comparisons.compare(
        candidate_run=candidate,
        baseline_run=baseline,
        margin=margin,
        confidence=asked.confidence,
    )


def _run_of(asked: _Asked, checkpoint: Checkpoint, against: Run | None = None) -> Run:
    """The checkpoint's newest run on the version that is evidence: see `runs.completed`.

    _NotYet with the command to type.
    """
    run = _completed(asked, checkpoint, imported=asked.allows_imported, against=against)
    if run is not None:
        return run
    going = runs.newest_open(asked.version, checkpoint.pk)
    if going is not None:
        now = progress(going)
        sentence = (
            f"{checkpoint.name} is being run on {asked.version}: {now.done} of {now.total} done."
        )
    else:
        sentence = _none_completed(asked, checkpoint)
    raise _NotYet(sentence, asked.inputs)


def _completed(
    asked: _Asked, checkpoint: Checkpoint, *, imported: bool, against: Run | None = None
) -> Run | None:
    options: dict[str, Any] = {"imported": imported, "against": against}
    if asked.then is not None:
        return past.run_then(asked.version, checkpoint, asked.then, **options)
    return runs.newest_completed(asked.version, checkpoint.pk, **options)


def _none_completed(asked: _Asked, checkpoint: Checkpoint) -> str:
    start = f"`manage.py run start {asked.reference} {checkpoint.name}`"
    if _completed(asked, checkpoint, imported=True) is not None:
        return (
            f"{checkpoint.name} has only an imported run on {asked.version}, and imported evidence "
            f"does not admit here: start one with {start}, or set `allow_imported: true` on the "
            "gate."
        )
    partial = runs.newest_partial(asked.version, checkpoint.pk)
    if partial is not None and asked.then is None:
        return (
            f"{checkpoint.name} has only a partial run on {asked.version}, and partial runs are no "
            f"evidence here ({partial.ended_because.rstrip('.')}): start one with {start}."
        )
    return f"{checkpoint.name} has no completed run on {asked.version}: start one with {start}."


def _imported(*found: Run) -> list[str]:
    """The checkpoints whose run was imported, for the gate's sentence."""
    return [run.checkpoint.name for run in found if runs.is_imported(run)]


def _baseline(asked: _Asked) -> Checkpoint:
    """The incumbent of the named stage, or the named checkpoint."""
    wanted = asked.gate.options["baseline"]
    if "checkpoint" in wanted:
        return checkpoint_named(wanted["checkpoint"])
    subject = asked.subject
    if asked.then is not None:
        return _baseline_then(asked, wanted["stage"], asked.then)
    release = (
        Release.objects.select_related("checkpoint")
        .filter(
            stage__pipeline_id=subject.pipeline_id,
            stage__name=wanted["stage"],
            family__name=subject.family,
            size=subject.size,
            arm=Arm.INCUMBENT.value,
            ended_at__isnull=True,
        )
        .exclude(state=ReleaseState.ENDED.value)
        .first()
    )
    if release is None:
        what = f"{subject.family} {subject.size}"
        sentence = f"Stage {wanted['stage']} has no incumbent of {what} to compare with."
        raise _NotYet(sentence, asked.inputs)
    return release.checkpoint


def _baseline_then(asked: _Asked, stage: str, then: datetime) -> Checkpoint:
    found = past.incumbent_then(asked.subject, stage, then)
    if found is None:
        sentence = f"Stage {stage} had no incumbent to compare with on {then:%Y-%m-%d %H:%M} UTC."
        raise _NotYet(sentence, asked.inputs)
    return found
