"""Graders of the registry's model-graded evals: a judge that chooses a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.formats.carried import counted
from evals.formats.documents import Placed, YamlFile
from evals.formats.openai_registry.prompts import messages_of, names_in, template_of
from evals.formats.openai_registry.refusals import NotExpressibleError

JUDGE = "judge"
"""The registry names no judging model: an endpoint of this name has to be configured."""
MODEL_GRADED = "evals.elsuite.modelgraded.classify:ModelBasedClassify"


def judged(args: Placed, path: Path, told: list[str]) -> Callable[[Placed], dict[str, Any]]:
    """Makes the grader of a row: the choice is the label, the best choices pass.

    `path` is the registry file; NotExpressibleError for what no label model stands for.
    """
    place = args.at("modelgraded_spec")
    name = place.text()
    if args.at("metaeval").value:
        raise NotExpressibleError("a meta-eval grades the judge: import it as a judge's labels")
    spec = _judging(name, place, path)
    choices = spec.at("choice_strings")
    if isinstance(choices.value, str) and choices.value.startswith("from_n"):
        raise NotExpressibleError(f"{name} compares several answers ({choices.value})")
    # 'YN' is short for the two letters.
    labels = [str(one) for one in choices.value or ()]
    passing = _passing(spec, labels, told)
    message = f"{name}: no judging model is named, {JUDGE!r} is written"
    told.append(place.told(message))
    prompt = spec.at("prompt")
    outputs = set((spec.at("input_outputs").value or {}).values()) or {"completion"}
    texts = messages_of(prompt)
    filled = [{**one, "content": template_of(one["content"], outputs, prompt)} for one in texts]
    names = {name for one in texts for name in names_in(one["content"], prompt)} - outputs
    grader = {
        "type": "label_model",
        "model": JUDGE,
        "input": filled,
        "labels": labels,
        "passing_labels": passing,
    }
    return lambda row: _checked(grader, names, row)


def _judging(name: str, place: Placed, path: Path) -> Placed:
    """The grading spec of that name in the registry, or beside the file."""
    roots = (path.parent.parent / "modelgraded", path.parent)
    for root in roots:
        for file in sorted(root.glob("*.yaml")):
            found = YamlFile(file)
            root_value = found.root.value if isinstance(found.root.value, Mapping) else {}
            if file.stem == name and "prompt" in root_value:
                return found.at()
            if "prompt" in (root_value.get(name) or {}):
                return found.at(name)
    raise place.wrong(f"{name} is neither in ../modelgraded nor beside {path.name}")


def _passing(spec: Placed, labels: Sequence[str], told: list[str]) -> list[str]:
    scores = spec.at("choice_scores").value
    if scores == "from_strings":
        scores = {label: float(label) for label in labels}
    if not isinstance(scores, Mapping):
        raise NotExpressibleError("its choices have no choice_scores: which of them pass?")
    best = max(scores.values())
    partial = [one for one in labels if min(scores.values()) < scores.get(one, 0) < best]
    if partial:
        message = f"{counted(partial)} score between: they fail, a label passes or fails"
        told.append(spec.at("choice_scores").told(message))
    return [one for one in labels if scores.get(one) == best]


def _checked(grader: dict[str, Any], names: set[str], row: Placed) -> dict[str, Any]:
    """The grader, when the row has all that its prompt names."""
    missing = sorted(names - set(row.mapping()))
    if missing:
        raise row.wrong(f"lacks {', '.join(missing)}, which the judge's prompt names")
    return grader
