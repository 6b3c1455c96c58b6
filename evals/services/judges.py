"""Judges: made with their first version, given further ones, held to terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from evals import judging
from evals.formats.contract import sha256_of
from evals.models import Judge, JudgeVersion
from evals.selectors import judges as reads
from evals.services.case_checks import SUITE_NAME
from infra import audit, clock, people
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.models import Person
from infra.roles import Role, Scope
from releases.selectors.staleness import Stale, stale_by_inputs
from releases.services.promotions import inputs_changed

EDITORS = (Role.EVAL_OWNER, Role.RELEASE_MANAGER)
LONGEST_QUESTION = 2000
MODEL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 200},
        "prompt": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "additionalProperties": False,
                "properties": {
                    "role": {"enum": ["system", "developer", "user", "assistant"]},
                    "content": {"type": "string", "minLength": 1},
                },
            },
        },
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_completions_tokens": {"type": "integer", "minimum": 1},
                "reasoning_effort": {"type": "string"},
                "seed": {"type": "integer"},
                "temperature": {"type": "number", "minimum": 0, "maximum": 2},
                "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            },
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """A judge as a document carries it."""

    name: str
    question: str
    choices: Mapping[str, float]
    """Choice -> score in 0..1, in the order that raters see."""
    model: str
    prompt: Sequence[Mapping[str, str]]
    """Messages; `{{item.…}}` and `{{sample.…}}` are filled in. Text alone is one user message."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    floor: float = judging.DEFAULT_FLOOR
    min_labels: int = judging.DEFAULT_LABELS
    n_raters: int = judging.DEFAULT_RATERS

    def digest(self) -> str:
        """SHA-256 of all that decides a verdict."""
        return sha256_of(
            {
                "question": self.question,
                "choices": _scores(self.choices),
                "model": self.model,
                "prompt": self.prompt,
                "parameters": self.parameters,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A judge's version, and what went stale by it."""

    version: JudgeVersion
    is_new: bool
    """False when the judge held exactly this already, and nothing was written."""
    stale: Sequence[Stale] = ()


def spec_of_document(document: Any) -> JudgeSpec:
    """A judge from `{kind: Judge, name, question, choices, model, prompt, …}`; InvalidInput."""
    if not isinstance(document, Mapping) or document.get("kind", "Judge") != "Judge":
        raise InvalidInput("judge_document", "A judge is an object with `kind: Judge`.")
    given = {key: value for key, value in document.items() if key != "kind"}
    known = set(JudgeSpec.__dataclass_fields__)
    unknown = sorted(set(map(str, given)) - known)
    missing = sorted({"name", "question", "choices", "model", "prompt"} - set(given))
    if unknown or missing:
        wrong = [f"`{name}` is no field of a judge" for name in unknown]
        wrong += [f"`{name}` is missing" for name in missing]
        raise InvalidInput("judge_document", f"{'; '.join(wrong)}.")
    if isinstance(given["prompt"], str):
        given["prompt"] = [{"role": "user", "content": given["prompt"]}]
    return JudgeSpec(**given)


def make_version(*, actor: Actor, spec: JudgeSpec) -> Made:
    """The judge's next version, the judge itself when its name is new; the same one once.

    A new version makes the outcomes that rest on the judge stale in the same transaction. Refused
    when the question or its choices differ: the labels that people gave answer the old ones.
    """
    must_edit(actor)
    _check(spec)
    digest = spec.digest()
    with transaction.atomic():
        judge, is_new_judge = _judge_row(actor, spec)
        found = judge.versions.filter(digest=digest).first()
        if found is not None:
            found.judge = judge
            return Made(version=found, is_new=False)
        version = _version_row(actor, judge, spec, digest)
        stale = inputs_changed(
            actor=actor,
            digests=_digests(judge, digest),
            reason=f"judge {version} was made",
        )
        if is_new_judge:
            audit.record(actor=actor, action="judge.made", subject=judge, after=_terms(judge))
        after = {
            "model": version.model,
            "digest": digest,
            "made_stale": [found.sentence for found in stale],
        }
        audit.record(actor=actor, action="judge.version_made", subject=version, after=after)
    return Made(version=version, is_new=True, stale=stale)


def stale_by_version(spec: JudgeSpec) -> list[Stale]:
    """What making this version would make stale, by promotion."""
    judge = Judge.objects.filter(name=spec.name).first()
    if judge is None or judge.versions.filter(digest=spec.digest()).exists():
        return []
    return stale_by_inputs(_digests(judge, spec.digest()))


def change_terms(
    *, actor: Actor, judge: Judge, floor: float, min_labels: int, n_raters: int, reason: str
) -> Judge:
    """Another floor, number of labels or of raters, with the reason; gates are judged anew."""
    must_edit(actor)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why the judge's terms change.")
    _check_terms(floor, min_labels, n_raters)
    with transaction.atomic():
        row = Judge.objects.select_for_update(of=("self",)).select_related("owner").get(pk=judge.pk)
        before = _terms(row)
        row.floor, row.min_labels, row.n_raters = floor, min_labels, n_raters
        row.save(update_fields=["floor", "min_labels", "n_raters"])
        stale = inputs_changed(
            actor=actor, digests=_calibrations(row), reason=f"the terms of judge {row} changed"
        )
        after = {**_terms(row), "made_stale": [found.sentence for found in stale]}
        audit.record(
            actor=actor,
            action="judge.terms_changed",
            subject=row,
            reason=reason,
            before=before,
            after=after,
        )
    return row


def must_edit(actor: Actor) -> None:
    """NotPermitted unless the actor may change judges."""
    actor.must("change judges", *EDITORS, scope=Scope.SUITES)


def _check(spec: JudgeSpec) -> None:
    if not isinstance(spec.name, str) or not SUITE_NAME.fullmatch(spec.name):
        message = f"{spec.name!r} is no judge's name: use up to 80 of a-z, 0-9, '-' and '_'."
        raise InvalidInput("judge_name", message)
    if not isinstance(spec.question, str) or not 0 < len(spec.question) <= LONGEST_QUESTION:
        message = f"`question` is text of 1 to {LONGEST_QUESTION} characters."
        raise InvalidInput("judge_question", message)
    judging.checked_choices(spec.choices)
    _check_terms(spec.floor, spec.min_labels, spec.n_raters)
    model = {"model": spec.model, "prompt": spec.prompt, "parameters": spec.parameters}
    problem = best_match(Draft202012Validator(MODEL_SCHEMA).iter_errors(model))
    if problem is not None:
        raise InvalidInput("judge_model", f"{problem.json_path[2:]}: {problem.message}.")
    if not any("{{" in message["content"] for message in spec.prompt):
        message = "`prompt` shows the model nothing: write {{sample.output_text}} where it belongs."
        raise InvalidInput("judge_prompt", message)


def _check_terms(floor: float, min_labels: int, n_raters: int) -> None:
    if not isinstance(floor, int | float) or not 0 <= floor < 1:
        raise InvalidInput("judge_floor", f"floor is {floor}: write a kappa of 0 to below 1.")
    for name, value, least, most in (
        ("min_labels", min_labels, 10, 100_000),
        ("n_raters", n_raters, 1, 20),
    ):
        if not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f"judge_{name}", f"{name} is {value}: write {least} to {most:,}.")


def _judge_row(actor: Actor, spec: JudgeSpec) -> tuple[Judge, bool]:
    """The judge's row, locked, made when it is missing."""
    locked = Judge.objects.select_for_update(of=("self",)).select_related("owner")
    choices = judging.checked_choices(spec.choices)
    row = locked.filter(name=spec.name).first()
    is_new = row is None
    if row is None:
        made, is_new = Judge.objects.get_or_create(
            name=spec.name,
            defaults={
                "question": spec.question,
                "choices": choices,
                "owner": _owner(actor, spec),
                "floor": spec.floor,
                "min_labels": spec.min_labels,
                "n_raters": spec.n_raters,
                "created_at": clock.now(),
            },
        )
        row = locked.get(pk=made.pk)
    if (row.question, row.scores) != (spec.question, _scores(spec.choices)):
        message = (
            f"Judge {row} asks another question, or offers other choices: people's labels answer "
            "those. Make a judge of another name."
        )
        raise InvalidInput("judge_question_changed", message)
    return row, is_new


def _scores(choices: Mapping[str, float]) -> dict[str, float]:
    return {row["choice"]: row["score"] for row in judging.checked_choices(choices)}


def _version_row(actor: Actor, judge: Judge, spec: JudgeSpec, digest: str) -> JudgeVersion:
    last = judge.versions.order_by("-number").values_list("number", flat=True).first()
    return JudgeVersion.objects.create(
        judge=judge,
        number=(last or 0) + 1,
        model=spec.model,
        prompt=[dict(message) for message in spec.prompt],
        parameters=dict(spec.parameters),
        digest=digest,
        created_by=actor.name,
        created_at=clock.now(),
    )


def _owner(actor: Actor, spec: JudgeSpec) -> Person:
    if spec.owner:
        return people.person_named(spec.owner)
    if actor.person_id is None:
        raise InvalidInput("owner_missing", f"{actor.name} is no person: name the judge's `owner`.")
    return Person.objects.get(pk=actor.person_id)


def _digests(judge: Judge, digest: str) -> dict[str, str]:
    return {f"judge {judge.name}": digest}


def _calibrations(judge: Judge) -> dict[str, str]:
    return {
        f"calibration of {judge.name}@{version.number}": reads.calibration_digest(judge, found)
        for version, found in reads.versions_with_calibration(judge)
    }


def _terms(judge: Judge) -> dict[str, Any]:
    return {name: getattr(judge, name) for name in ("floor", "min_labels", "n_raters")}
