"""Probes designed: prompts, hypotheses from templates or written, and the pairs they make."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from alpha.models import Feedback, Finding
from alpha.services.transcripts import conversation_of
from evals.asked import messages_of
from evals.models import Probe, ProbeHypothesis, ProbePair, ProbePrompt, ProbeRun
from evals.probes.changes import TEMPLATES, Asked
from evals.probes.planning import Design, can_stop
from evals.selectors import probe_answers
from evals.selectors import probes as reads
from evals.services.probes import specs
from evals.services.probes.specs import ProbeSpec, PromptSpec
from evals.services.runs import MOST_SEED
from evals.states import HypothesisSource, ProbeState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.roles import Role

DESIGNERS = (
    Role.ENGINEER,
    Role.EVAL_OWNER,
    Role.BEHAVIOUR_REVIEWER,
    Role.RELEASE_MANAGER,
)


def must_design(actor: Actor) -> None:
    """NotPermitted unless the actor may design probes."""
    actor.must("design probes", *DESIGNERS)


def prompts_of_finding(*, actor: Actor, finding: Finding) -> list[PromptSpec]:
    """The prompts of its remarks whose partners agreed that the text is kept; may be []."""
    found = []
    remarks = Feedback.objects.filter(reports__finding=finding).order_by("received_at")
    for remark in remarks.distinct():
        kept = conversation_of(actor=actor, feedback=remark)
        body = kept["request"] if kept else {}
        messages = messages_of(body)
        if messages:
            settings = {name: body[name] for name in _SETTINGS if name in body}
            tools = body.get("tools") or ()
            found.append(
                PromptSpec(messages=messages, tools=tools, request=settings, feedback=remark)
            )
    return found


def create_probe(*, actor: Actor, finding: Finding, spec: ProbeSpec) -> Probe:
    """A draft with a pair for every hypothesis and prompt that it changes; nothing runs yet.

    InvalidInput names the field, the prompt or the grader that can't be used.
    """
    must_design(actor)
    person_id = actor.must_be_person("design a probe")
    specs.check(spec)
    with transaction.atomic():
        probe = Probe.objects.create(
            finding=finding,
            title=spec.title.strip(),
            graders=[dict(grader) for grader in spec.graders],
            question=spec.question.strip(),
            request=dict(spec.request),
            repeats=spec.repeats,
            concurrency=spec.concurrency,
            seed=secrets.randbelow(MOST_SEED) if spec.seed is None else spec.seed,
            created_by_id=person_id,
            created_at=clock.now(),
            **asdict(spec.caps),
        )
        ProbeRun.objects.bulk_create(
            ProbeRun(probe=probe, checkpoint=checkpoint) for checkpoint in spec.checkpoints
        )
        _add_prompts(probe, spec.prompts)
        names = list(TEMPLATES) if spec.templates is None else spec.templates
        _add_templates(probe, names, must_change=spec.templates is not None)
        _settle_looks(probe, spec.may_stop_early)
        after = {"finding": str(finding.pk), "n_calls": reads.design_of(probe).n_calls}
        audit.record(actor=actor, action="probe.designed", subject=probe, after=after)
    return probe


def write_hypothesis(
    *,
    actor: Actor,
    probe: Probe,
    component: str,
    sentence: str,
    changed: Mapping[int, Sequence[Mapping[str, Any]]],
    source: HypothesisSource = HypothesisSource.WRITTEN,
) -> ProbeHypothesis:
    """A hypothesis of one's own: the changed messages by prompt number, everything else equal."""
    must_design(actor)
    name = slugify(component).replace("-", "_")[:60]
    if not name or name == probe_answers.ORIGINAL or not sentence.strip():
        message = "Name the suspected component in words, and say what the changed prompts do."
        raise InvalidInput("hypothesis_unnamed", message)
    with transaction.atomic():
        row = draft_of(probe)
        if row.hypotheses.filter(name=name).exists():
            raise InvalidMove("hypothesis_known", f"The probe has a hypothesis {name} already.")
        prompts = {prompt.number: prompt for prompt in row.prompts.all()}
        unknown = sorted(set(changed) - set(prompts))
        if unknown or not changed:
            known = f"1 to {len(prompts)}"
            message = f"Give changed messages of prompts {known}; {unknown or 'none'} was given."
            raise InvalidInput("no_such_prompt", message)
        made = ProbeHypothesis.objects.create(
            probe=row,
            name=name,
            component=component.strip()[:200],
            sentence=sentence.strip()[:500],
            source=source.value,
        )
        for number, messages in changed.items():
            kept = {**prompts[number].asked, "messages": [dict(one) for one in messages]}
            check_changed(prompts[number], kept, row)
            _add_pair(made, prompts[number], kept)
        audit.record(actor=actor, action="probe.hypothesis_added", subject=made)
    return made


def abandon_probe(*, actor: Actor, probe: Probe, reason: str) -> Probe:
    """Give it up; its runs go on to their end, or are cancelled one by one."""
    must_design(actor)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why the probe is given up.")
    with transaction.atomic():
        row = locked(probe)
        if row.state not in (ProbeState.DRAFT.value, ProbeState.RUNNING.value):
            raise InvalidMove("probe_over", f"The probe is {row.state}: it can't be given up.")
        row.state = ProbeState.ABANDONED.value
        row.ended_at = clock.now()
        row.sentence = reason.strip()
        row.save(update_fields=["state", "ended_at", "sentence"])
        audit.record(actor=actor, action="probe.abandoned", subject=row, reason=reason)
    return row


def locked(probe: Probe) -> Probe:
    """The probe as it is now, locked."""
    rows = Probe.objects.select_for_update(of=("self",)).select_related("finding", "created_by")
    return rows.get(pk=probe.pk)


def draft_of(probe: Probe) -> Probe:
    """The probe, locked; InvalidMove once it began."""
    row = locked(probe)
    refuse_begun(row)
    return row


def refuse_begun(probe: Probe) -> None:
    """InvalidMove once the probe began."""
    if probe.state != ProbeState.DRAFT.value:
        message = f"The probe is {probe.state}: its design never changes. Design another one."
        raise InvalidMove("probe_began", message)


def check_changed(prompt: ProbePrompt, kept: Mapping[str, Any], probe: Probe) -> None:
    """InvalidInput unless that is another request than the original, which graders can judge."""
    if dict(kept) == prompt.asked:
        message = f"Prompt {prompt.number}: the changed request equals the original."
        raise InvalidInput("nothing_changed", message)
    specs.check_asked(f"prompt {prompt.number}", Asked(**kept), prompt.target, probe.graders)


def _add_prompts(probe: Probe, prompts: Sequence[PromptSpec]) -> None:
    ProbePrompt.objects.bulk_create(
        ProbePrompt(
            probe=probe,
            number=number,
            asked=specs.asked_of(probe.request, prompt).as_json(),
            target=prompt.target,
            feedback=prompt.feedback,
        )
        for number, prompt in enumerate(prompts, start=1)
    )


def _add_templates(probe: Probe, names: Sequence[str], *, must_change: bool) -> None:
    """A hypothesis of every template that changes a prompt, with its pairs."""
    prompts = list(probe.prompts.all())
    has_system = any(
        one.checkpoint.serving.get("system_prompt")
        for one in probe.probe_runs.select_related("checkpoint")
    )
    for name in names:
        template = TEMPLATES[name]
        found = [(prompt, template.change(reads.asked_of(prompt.asked))) for prompt in prompts]
        pairs = [(prompt, changed) for prompt, changed in found if changed is not None]
        if name == "system_prompt_off" and not has_system:
            pairs = []
        if not pairs:
            if must_change:
                message = f"The template {name} changes none of the prompts: leave it out."
                raise InvalidInput("template_changes_nothing", message)
            continue
        made = ProbeHypothesis.objects.create(
            probe=probe,
            name=name,
            component=template.component,
            sentence=template.sentence,
            source=HypothesisSource.TEMPLATE.value,
        )
        for prompt, changed in pairs:
            _add_pair(made, prompt, changed.as_json())


def _add_pair(hypothesis: ProbeHypothesis, prompt: ProbePrompt, changed: Mapping[str, Any]) -> None:
    ProbePair.objects.create(
        probe_id=hypothesis.probe_id, hypothesis=hypothesis, prompt=prompt, changed=dict(changed)
    )


def _settle_looks(probe: Probe, wanted: bool | None) -> None:
    """Looks cost a fifth of alpha: they are taken where they could stop it, or where asked for."""
    if reads.is_rated_by_people(probe):
        if wanted:
            message = "People rate after the answers are there: such a probe can't stop early."
            raise InvalidInput("rated_later", message)
        return
    design: Design = reads.design_of(probe)
    probe.may_stop_early = can_stop(design) if wanted is None else wanted
    probe.save(update_fields=["may_stop_early"])


_SETTINGS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens"),
    *("response_format", "tool_choice", "frequency_penalty", "presence_penalty", "stop"),
)
