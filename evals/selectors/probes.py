"""Reads over probes: which there are, how they are designed, what they isolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from evals.graders import human
from evals.models import (
    Probe,
    ProbeAnswer,
    ProbeHypothesis,
    ProbePair,
    ProbePrompt,
    ProbeRating,
    ProbeRun,
)
from evals.probes.changes import Asked
from evals.probes.effects import Outcome
from evals.probes.planning import Design
from evals.states import PairState, ProbeState
from infra.errors import InvalidMove, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedComponent:
    """A component that a probe of a finding isolated on a checkpoint."""

    probe_id: UUID
    hypothesis: str
    component: str
    checkpoint: str
    effect: float
    """Original less changed failure rate, a share of 1."""
    lo: float
    hi: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingProgress:
    """How far people are."""

    n_answers: int
    n_rated: int
    """Rated by anyone."""
    n_mine: int


def probes(finding_id: UUID | None = None) -> QuerySet[Probe]:
    """Newest first, of that finding when given, with how much each holds and what waits."""
    waiting = ProbePair.objects.filter(state=PairState.PROPOSED.value)
    found = Probe.objects.select_related("finding", "created_by", "version__suite").annotate(
        n_prompts=_counted(ProbePrompt.objects.all()),
        n_hypotheses=_counted(ProbeHypothesis.objects.all()),
        n_checkpoints=_counted(ProbeRun.objects.all()),
        n_unreviewed=_counted(waiting),
    )
    found = found.order_by("-created_at")
    return found.filter(finding_id=finding_id) if finding_id else found


def _counted(rows: QuerySet[Any]) -> Any:
    """How many of those rows are a probe's; counted apart, since joins would multiply."""
    mine = rows.filter(probe=OuterRef("pk")).order_by().values("probe")
    number = Subquery(mine.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    return Coalesce(number, 0)


def probe_with_id(probe_id: UUID) -> Probe:
    """That probe; NotFound."""
    found = probes().filter(pk=probe_id).first()
    if found is None:
        raise NotFound("no_such_probe", f"There is no probe {probe_id}.")
    return found


def pairs_of(probe: Probe, state: PairState | None = None) -> QuerySet[ProbePair]:
    """Its pairs by hypothesis and prompt, in that state when given."""
    found = probe.pairs.select_related("prompt", "hypothesis", "reviewed_by")
    found = found.order_by("hypothesis_id", "prompt__number")
    return found.filter(state=state.value) if state else found


def pair_with_id(probe: Probe, pair_id: UUID) -> ProbePair:
    """That pair of the probe; NotFound."""
    found = pairs_of(probe).filter(pk=pair_id).first()
    if found is None:
        raise NotFound("no_such_pair", f"Probe {probe.pk} has no pair {pair_id}.")
    return found


def hypotheses_of(probe: Probe) -> QuerySet[ProbeHypothesis]:
    """Its hypotheses, each with how many of its pairs wait, are approved and are dropped."""
    counts = {
        f"n_{state.value}": Count("pairs", filter=Q(pairs__state=state.value))
        for state in PairState
    }
    return probe.hypotheses.annotate(**counts).order_by("id")


def asked_of(kept: dict[str, Any]) -> Asked:
    """A prompt as it is kept."""
    return Asked(**kept)


def design_of(probe: Probe) -> Design:
    """The design as it stands: dropped pairs do not count."""
    counted = pairs_of(probe).exclude(state=PairState.DROPPED.value)
    by_prompt: dict[UUID, set[UUID]] = {}
    for hypothesis, prompt in counted.values_list("hypothesis_id", "prompt_id"):
        by_prompt.setdefault(hypothesis, set()).add(prompt)
    return Design(
        # What is seen of a hypothesis rests on its own prompts: the fewest of any.
        n_prompts=min((len(prompts) for prompts in by_prompt.values()), default=0),
        repeats=probe.repeats,
        n_hypotheses=len(by_prompt),
        n_checkpoints=probe.probe_runs.count(),
        looked=probe.may_stop_early,
    )


def is_rated_by_people(probe: Probe) -> bool:
    """Whether people judge its answers."""
    return any(spec["type"] == human.KIND for spec in probe.graders)


def rated_now(run_id: UUID) -> Probe | None:
    """The probe whose answers, that run's among them, people rate blind at the moment."""
    found = Probe.objects.filter(probe_runs__run=run_id, state=ProbeState.RUNNING.value).first()
    return found if found is not None and is_rated_by_people(found) else None


def must_not_unblind(run_id: UUID) -> None:
    """InvalidMove for a run whose answers stand beside their arm while people rate them blind."""
    probe = rated_now(run_id)
    if probe is not None:
        message = (
            f"People rate the answers of the probe “{probe.title}” blind: they are shown with "
            "what was changed once it is concluded."
        )
        raise InvalidMove("rated_blind", message)


def rating_progress(probe: Probe, person_id: UUID | None) -> RatingProgress:
    """How many of its answers anyone rated, and that person."""
    answers = ProbeAnswer.objects.filter(probe=probe)
    mine = ProbeRating.objects.filter(answer__probe=probe, rater_id=person_id)
    return RatingProgress(
        n_answers=answers.count(),
        n_rated=answers.filter(ratings__isnull=False).distinct().count(),
        n_mine=mine.count() if person_id else 0,
    )


def next_answer(probe: Probe, person_id: UUID) -> ProbeAnswer | None:
    """The first answer, in the kept order, that nobody rated; then one that this person did not."""
    left = ProbeAnswer.objects.filter(probe=probe).select_related("prompt", "result")
    left = left.exclude(ratings__rater_id=person_id).order_by("place")
    return left.filter(ratings__isnull=True).first() or left.first()


def answer_with_id(probe: Probe, answer_id: UUID) -> ProbeAnswer:
    """That answer of the probe; NotFound."""
    found = ProbeAnswer.objects.filter(probe=probe, pk=answer_id).first()
    if found is None:
        raise NotFound("no_such_answer", f"Probe {probe.pk} has no answer {answer_id} to rate.")
    return found


def isolated_components(finding_id: UUID) -> list[IsolatedComponent]:
    """What probes of the finding isolated, the newest probe first."""
    done = Probe.objects.filter(finding_id=finding_id, state=ProbeState.CONCLUDED.value)
    return [
        IsolatedComponent(
            probe_id=probe.pk,
            **{name: row[name] for name in _COMPONENT},
        )
        for probe in done.order_by("-ended_at")
        for row in (probe.result or {})["effects"]
        if row["outcome"] == Outcome.ISOLATED.value
    ]


def what_was_tried(finding_id: UUID) -> list[str]:
    """What every concluded probe of the finding came to, the newest first, in sentences."""
    done = Probe.objects.filter(finding_id=finding_id, state=ProbeState.CONCLUDED.value)
    return list(done.order_by("-ended_at").values_list("sentence", flat=True))


def under_way() -> Sequence[Probe]:
    """Probes whose runs are going on, or wait for a conclusion; the oldest first."""
    return list(Probe.objects.filter(state=ProbeState.RUNNING.value).order_by("created_at"))


_COMPONENT = ("hypothesis", "component", "checkpoint", "effect", "lo", "hi", "sentence")
