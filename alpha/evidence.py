"""What live alpha traffic and findings tell the gates and the guardrails that ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from alpha import live, measures, reported
from alpha.live import Batch, Present
from alpha.selectors import currencies_of, finding_rows
from alpha.states import Counted
from infra import clock
from infra.errors import DomainError
from releases.gates.contract import Evidence, Gate, Subject
from releases.gates.live_options import Counts, LiveTerms, Per, live_terms, odds_limit
from releases.gates.soak import wanted
from releases.gates.terms import gates_of
from releases.models import Checkpoint, Release, Stage

KINDS = frozenset({"exposure", "error_rate", "feedback_rate", "latency", "cost", "open_findings"})
SHOWN_VALUES = 20_000


class _NotYet(Exception):
    """There is no evidence yet; the message says why."""


@dataclass(frozen=True)
class _Asked:
    """What one gate asks about: its options, and the checkpoint's present stays."""

    options: Mapping[str, Any]
    checkpoint: Checkpoint
    stays: Sequence[Present]
    now: datetime

    @cached_property
    def terms(self) -> LiveTerms:
        return live_terms(self.options)

    @property
    def counts(self) -> Counted:
        return Counted.UNIT if self.terms.per is Per.UNIT else Counted.REQUEST

    @property
    def since(self) -> datetime:
        return min(stay.since for stay in self.stays)

    @property
    def baseline(self) -> str | None:
        return next((stay.baseline for stay in self.stays if stay.baseline), None)

    def batches(self, slow_ms: tuple[float, float] | None = None) -> list[Batch]:
        return live.closed_batches(self.stays, self.counts, self.now, slow_ms)

    def shared(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """What every kind that rests on batches tells of them."""
        by_partner = self.counts is Counted.UNIT and measures.is_by_partner(batches)
        return {
            "unit": "partner" if by_partner else self.counts.value,
            "n_partners": len({batch.partner_id for batch in batches}),
            "since": _moment(self.since),
            "until": _moment(batches[-1].closed_at) if batches else None,
        }

    def arms(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """What every comparison of two arms tells: against whom, and how traffic was split."""
        units = batches
        if self.counts is not Counted.UNIT:
            units = live.closed_batches(self.stays, Counted.UNIT, self.now)
        waiting = live.waiting_units(self.stays)
        share = self.stays[0].share
        split = measures.split(units, waiting, share)
        return {"baseline_arm": self.baseline, "split": split}


class LiveEvidence:
    """Evidence of the live kinds, since the start of the present stay in the stage read."""

    kinds = KINDS

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """What is known now; `missing` where the checkpoint is not live in a stage to be read."""
        try:
            checkpoint = Checkpoint.objects.get(pk=subject.checkpoint_id)
            if gate.kind == "open_findings":
                return _open_findings(checkpoint)
            stages = _stages(gate, subject)
            return _gathered(gate.kind, gate.options, checkpoint, stages, now)
        except _NotYet as missing:
            inputs = {"checkpoint": subject.checkpoint_digest}
            return Evidence(missing=str(missing), inputs=inputs, live=True)
        except DomainError as refusal:
            return Evidence(problem=refusal.message, live=True)


def live_evidence(
    kind: str, options: Mapping[str, Any], release: Release, now: datetime | None = None
) -> Evidence:
    """What live traffic says of a release beside its stage's incumbent: a guardrail's evidence."""
    try:
        return _gathered(kind, options, release.checkpoint, [release.stage], now or clock.now())
    except _NotYet as missing:
        return Evidence(missing=str(missing), live=True)


def _stages(gate: Gate, subject: Subject) -> list[Stage]:
    """The stage that the gate names, else those that its own stage comes after."""
    known = Stage.objects.filter(pipeline_id=subject.pipeline_id).select_related("pipeline")
    if gate.options.get("stage"):
        names = [str(gate.options["stage"])]
    else:
        policy = known.get(pk=subject.stage_id).policy
        soaks = [g for g in gates_of(policy) if g.kind == "soak"]
        names = list(dict.fromkeys(b.stage for g in soaks for b in wanted(g.options)[0]))
    if not names:
        sentence = f"{subject.stage} comes after no stage, so there is no live traffic to read"
        raise DomainError("no_stage_to_read", f"{sentence}: name one with `stage`.")
    found = {stage.name: stage for stage in known.filter(name__in=names)}
    missing = [name for name in names if name not in found]
    if missing:
        raise DomainError("no_such_stage", f"The pipeline has no stage {', '.join(missing)}.")
    return [found[name] for name in names]


def _gathered(
    kind: str,
    options: Mapping[str, Any],
    checkpoint: Checkpoint,
    stages: Sequence[Stage],
    now: datetime,
) -> Evidence:
    found = [live.present_stay(stage, checkpoint.pk, checkpoint.size) for stage in stages]
    stays = [stay for stay in found if stay is not None]
    if not stays:
        names = " and ".join(stage.name for stage in stages)
        raise _NotYet(
            f"{checkpoint.name} is not live in {names} now, and what was seen before a break "
            "counts no more."
        )
    asked = _Asked(options=options, checkpoint=checkpoint, stays=stays, now=now)
    inputs = {"checkpoint": checkpoint.checkpoint_digest}
    # A restart begins another stay, and what rested on the one before rests on nothing.
    inputs |= {f"stay in {stay.stage}": _moment(stay.since) for stay in stays}
    return Evidence(observed=_GATHERERS[kind](asked), inputs=inputs, live=True)


def _exposure(asked: _Asked) -> dict[str, Any]:
    rows = [
        row
        for stay in asked.stays
        for row in live.answered_requests(stay.release_ids, stay.since, asked.now)
    ]
    partners = reported.by_partner(rows)
    return {
        "since": _moment(asked.since),
        "days": len({row["day"] for row in rows}),
        "n_requests": sum(partners.values()),
        "partners": [{"partner": name, "n_requests": n} for name, n in sorted(partners.items())],
        "first_at": _moment(min(row["first_at"] for row in rows)) if rows else None,
        "last_at": _moment(max(row["last_at"] for row in rows)) if rows else None,
    }


def _error_rate(asked: _Asked) -> dict[str, Any]:
    return _rate(asked, measures.errors)


def _rate(asked: _Asked, event: measures.Event) -> dict[str, Any]:
    batches = asked.batches()
    if "at_most" in asked.options:
        limit = float(asked.options["at_most"])
        return {**asked.shared(batches), **measures.bound(batches, event, limit, asked.terms)}
    return _compared(asked, batches, event, odds_limit(asked.options))


def _compared(
    asked: _Asked, batches: list[Batch], event: measures.Event, null_ratio: float
) -> dict[str, Any]:
    found = measures.ratio(batches, event, null_ratio, asked.terms.confidence)
    return {**asked.shared(batches), **asked.arms(batches), **found}


def _feedback_rate(asked: _Asked) -> dict[str, Any]:
    if Counts(asked.options["counts"]) is Counts.CONFIRMED_FINDINGS:
        return _confirmed_findings(asked)
    if asked.counts is not Counted.UNIT:
        raise DomainError(
            "counted_per_unit", "Thumbs-down are counted per unit: leave out `per: request`."
        )
    return _rate(asked, measures.downs)


def _latency(asked: _Asked) -> dict[str, Any]:
    values = live.newest_latencies(asked.stays, asked.counts, asked.now, SHOWN_VALUES)
    shown = {"quantiles": measures.quantiles(values, asked.terms)}
    if "at_most_ms" in asked.options:
        limit = float(asked.options["at_most_ms"])
        batches = asked.batches((limit, limit))
        found = measures.bound(batches, measures.slow, 1 - asked.terms.quantile, asked.terms)
        return {**asked.shared(batches), **found, **shown, "threshold_ms": limit}
    threshold = _threshold(asked)
    slow = (threshold, float(asked.options["ratio_at_most"]) * threshold)
    found = _compared(asked, asked.batches(slow), measures.slow, 1.0)
    return {**found, **shown, "threshold_ms": threshold}


def _threshold(asked: _Asked) -> float:
    """The incumbent's quantile before the candidate came; _NotYet when it is not known."""
    if len(asked.stays) > 1:
        names = " and ".join(stay.stage for stay in asked.stays)
        sentence = f"Each of {names} has a latency of its own: name one with `stage`."
        raise DomainError("several_stages", sentence)
    stay = asked.stays[0]
    threshold = stay.threshold_ms(asked.terms.quantile)
    if threshold is None:
        raise _NotYet(
            f"no latency of an incumbent in {stay.stage} from before {asked.checkpoint.name} came "
            "is known yet: it takes 100 of its calls, and a first call of the candidate; or hold "
            "the gate to `at_most_ms`."
        )
    return threshold


def _cost(asked: _Asked) -> dict[str, Any]:
    batches = asked.batches()
    if "at_most_micros" in asked.options:
        return {**asked.shared(batches), **measures.cost_bound(batches, asked.terms)}
    currencies = currencies_of([asked.checkpoint.name, asked.baseline or ""])
    if len(currencies) > 1:
        sentence = f"Prices in {' and '.join(sorted(currencies))} can't be compared."
        raise DomainError("several_currencies", sentence)
    found = measures.cost_ratio(batches, asked.terms)
    return {**asked.shared(batches), **asked.arms(batches), **found}


def _confirmed_findings(asked: _Asked) -> dict[str, Any]:
    found = reported.per_request(
        asked.options, asked.terms.confidence, asked.stays, asked.since, asked.now
    )
    shared = {"since": _moment(asked.since), "until": _moment(asked.now)}
    return {**found, **shared, "baseline_arm": asked.baseline}


def _open_findings(checkpoint: Checkpoint) -> Evidence:
    """A weakness does not go away by a restart: findings count whenever they were opened."""
    inputs = {"checkpoint": checkpoint.checkpoint_digest}
    return Evidence(
        observed=finding_rows(checkpoint), inputs=inputs, url="/console/findings/", live=True
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


_GATHERERS = {
    "exposure": _exposure,
    "error_rate": _error_rate,
    "feedback_rate": _feedback_rate,
    "latency": _latency,
    "cost": _cost,
}
