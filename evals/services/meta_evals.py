"""Judges with their labels from and to openai/evals' meta-evals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from evals import judging
from evals.formats import meta_eval
from evals.formats.contract import canonical_json
from evals.formats.meta_eval import LabelledSample, MetaEval
from evals.models import Judge, JudgeVersion, Label, LabelItem
from evals.selectors import judges as reads
from evals.services.judges import JudgeSpec, make_version, must_edit
from infra import audit, clock
from infra.actors import Actor
from infra.ids import uuid7

QUESTION = "Which choice does this output deserve?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import made."""

    version: JudgeVersion
    n_items: int


def import_meta_eval(*, actor: Actor, name: str, model: str, found: MetaEval) -> Imported:
    """The judge's version with the file's outputs and labels; those it has already stay once.

    The labels are of nobody here: they measure the judge, and do not show whether people agree.
    """
    must_edit(actor)
    fields = sorted({key for sample in found.samples for key in sample.others})
    prompt = meta_eval.our_prompt(found.prompt, fields)
    spec = JudgeSpec(
        name=name,
        question=QUESTION,
        choices=found.choices,
        model=model,
        prompt=[{"role": "user", "content": prompt}],
    )
    with transaction.atomic():
        made = make_version(actor=actor, spec=spec).version
        judge = Judge.objects.select_for_update().get(pk=made.judge_id)
        known = set(judge.items.filter(source=found.name).values_list("case_id", flat=True))
        samples = {_case_id(sample): sample for sample in found.samples}
        fresh = {key: sample for key, sample in samples.items() if key not in known}
        items = [_item(actor, judge, found.name, key, sample) for key, sample in fresh.items()]
        LabelItem.objects.bulk_create(items, batch_size=500)
        now = clock.now()
        Label.objects.bulk_create(
            (
                Label(item=item, choice=sample.choice, labelled_at=now)
                for item, sample in zip(items, fresh.values(), strict=True)
            ),
            batch_size=500,
        )
        after = {"source": found.name, "n_items": len(items)}
        audit.record(actor=actor, action="judge.labels_imported", subject=made, after=after)
    return Imported(version=made, n_items=len(items))


def meta_eval_of(version: JudgeVersion) -> MetaEval:
    """The version with every output that most raters agree on."""
    judge = version.judge
    labels = reads.labels_of(judge)
    samples = []
    for item in judge.items.filter(pk__in=labels).order_by("rank", "id"):
        said = judging.consensus([label.choice for label in labels[item.pk]], judge.scores)
        if said.choice is not None:
            samples.append(_sample(item, said.choice))
    prompt = meta_eval.their_prompt("\n\n".join(one["content"] for one in version.prompt))
    return MetaEval(
        name=judge.name,
        prompt=prompt,
        choices=judge.scores,
        samples=samples,
        not_expressible=_lost(version, prompt),
    )


def _lost(version: JudgeVersion, prompt: str) -> list[str]:
    """What the version says and a meta-eval cannot, a sentence each."""
    lost = [f"model: {version.model!r} is named where the eval is run, not in its files"]
    if len(version.prompt) > 1:
        lost.append("prompt: its messages are written as one, without their roles")
    if version.parameters:
        lost.append(f"parameters: {', '.join(version.parameters)} are not kept")
    if "{{" in prompt:
        lost.append("prompt: a variable in double braces has no name there and stays as it is")
    return lost


def _item(actor: Actor, judge: Judge, source: str, key: str, sample: LabelledSample) -> LabelItem:
    text = sample.input if isinstance(sample.input, str) else canonical_json(sample.input)
    messages = [{"role": "user", "content": text}]
    row: Mapping[str, Any] = {**sample.others, "input": text}
    return LabelItem(
        id=uuid7(),
        judge=judge,
        rank=key,
        case_id=key,
        input=messages if isinstance(sample.input, str) else sample.input,
        target=sample.others.get("ideal"),
        metadata={"item": row},
        output=sample.completion,
        is_asked=True,
        source=source,
        drawn_by=actor.name,
        drawn_at=clock.now(),
    )


def _sample(item: LabelItem, choice: str) -> LabelledSample:
    row = dict(item.metadata.get("item", {}))
    row.pop("input", None)
    asked = item.input
    is_text = len(asked) == 1 and isinstance(asked[0].get("content"), str) if asked else False
    if item.target is not None and "ideal" not in row:
        row["ideal"] = item.target
    return LabelledSample(
        input=asked[0]["content"] if is_text else asked,
        completion=item.output,
        choice=choice,
        others=row,
    )


def _case_id(sample: LabelledSample) -> str:
    whole = [sample.input, sample.completion, sample.others]
    return hashlib.sha256(canonical_json(whole).encode()).hexdigest()
