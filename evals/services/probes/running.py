"""Probes started: the approved pairs as cases of an internal suite, one run a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from django.db import transaction

from evals.caps import Caps
from evals.formats.contract import CaseSpec, SuiteSpec
from evals.models import Probe, ProbePair, ProbeRun, Suite, SuiteVersion
from evals.probes.planning import LEAST_PROMPTS
from evals.selectors import probes as reads
from evals.selectors.probe_answers import ORIGINAL, case_id, cluster
from evals.services import runs, suites
from evals.services.probes import design, specs
from evals.states import CaseSource, PairState, ProbeState
from infra import audit, clock
from infra.actors import Actor, system
from infra.errors import InvalidMove, Reason


def start_probe(*, actor: Actor, probe: Probe) -> Probe:
    """Start one run a checkpoint, all or none; refused while a pair waits for its review."""
    design.must_design(actor)
    with transaction.atomic():
        row = design.draft_of(probe)
        approved = _approved(row)
        row.version = _version(actor, row, approved)
        caps = Caps(**{cap.name: getattr(row, cap.name) for cap in fields(Caps)})
        for one in row.probe_runs.select_related("checkpoint"):
            run = runs.start_run(
                actor=actor,
                version=row.version,
                checkpoint=one.checkpoint,
                repeats=row.repeats,
                concurrency=row.concurrency,
                seed=row.seed,
                caps=caps,
                idempotency_key=f"probe-{row.pk}-{one.checkpoint_id}",
                asks_by_cluster=True,
            )
            ProbeRun.objects.filter(pk=one.pk).update(run=run)
        row.state = ProbeState.RUNNING.value
        row.started_at = clock.now()
        row.save(update_fields=["version", "state", "started_at"])
        after = {"suite": str(row.version), "n_pairs": len(approved)}
        audit.record(actor=actor, action="probe.started", subject=row, after=after)
    return row


def _approved(probe: Probe) -> list[ProbePair]:
    """The pairs to run; InvalidMove with every reason why they can't."""
    pairs = list(reads.pairs_of(probe))
    waiting: dict[str, int] = {}
    kept: dict[str, int] = {}
    for pair in pairs:
        counts = waiting if pair.state == PairState.PROPOSED.value else kept
        if pair.state != PairState.DROPPED.value:
            counts[pair.hypothesis.name] = counts.get(pair.hypothesis.name, 0) + 1
    reasons = [
        Reason(
            code="pairs_unreviewed",
            sentence=f"{name}: {n} pairs wait for a person who approves or drops them.",
        )
        for name, n in waiting.items()
    ]
    reasons += [
        Reason(
            code="too_few_prompts",
            sentence=(
                f"{name}: {n} prompts settle nothing, {LEAST_PROMPTS} are the least: drop the "
                "hypothesis, or design a probe with more prompts."
            ),
        )
        for name, n in kept.items()
        if name not in waiting and n < LEAST_PROMPTS
    ]
    if not kept and not waiting:
        sentence = "Every pair was dropped: there is nothing to run."
        reasons.append(Reason(code="no_pairs", sentence=sentence))
    if reasons:
        raise InvalidMove("probe_not_ready", "The probe can't begin yet.", reasons)
    return [pair for pair in pairs if pair.state == PairState.APPROVED.value]


def _version(actor: Actor, probe: Probe, pairs: Sequence[ProbePair]) -> SuiteVersion:
    """The pairs and their originals as a published version of a suite that no list shows."""
    cases = _cases(pairs)
    suite = SuiteSpec(
        name=f"probe-{probe.pk.hex}",
        cases=cases,
        graders=probe.graders,
        components=specs.declared_by(probe.graders, cases),
        description=f"Pairs of the probe {probe.title!r}.",
        owner=probe.created_by.email,
    )
    behalf = replace(system("probes"), on_behalf_of=actor.name)
    made = suites.import_suite(actor=behalf, name=suite.name, suite=suite)
    Suite.objects.filter(pk=made.version.suite_id).update(is_internal=True)
    return made.version


def _cases(pairs: Sequence[ProbePair]) -> list[CaseSpec]:
    prompts = {pair.prompt_id: pair.prompt for pair in pairs}
    arms = [(prompt, ORIGINAL, prompt.asked) for prompt in prompts.values()]
    arms += [(pair.prompt, pair.hypothesis.name, pair.changed) for pair in pairs]
    return [
        specs.case_of(
            case_id(prompt.number, arm),
            reads.asked_of(kept),
            prompt.target,
            cluster=cluster(prompt.number),
            source=CaseSource.FEEDBACK if prompt.feedback_id else CaseSource.SYNTHETIC,
        )
        for prompt, arm, kept in arms
    ]
