"""`openai-registry`: evals of the openai/evals repository: registry YAML with its samples."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals import components, graders
from evals.formats.carried import counted
from evals.formats.contract import CaseSpec, FormatError, SuiteSpec
from evals.formats.documents import Placed, YamlFile, json_values, name_from
from evals.graders.contract import GraderSpecError
from infra.errors import InvalidInput

JUDGE = "judge"
"""The registry names no judging model: an endpoint of this name has to be configured."""
DEFAULT_MAX_TOKENS = 500
BASIC = "evals.elsuite.basic."
MODEL_GRADED = "evals.elsuite.modelgraded.classify:ModelBasedClassify"
KNOWN_ARGS = ("samples_jsonl", "max_tokens", "num_few_shot", "few_shot_jsonl", "ignore_case")
JUDGE_ARGS = ("samples_jsonl", "max_tokens", "eval_type", "modelgraded_spec", "metaeval")
LFS_POINTER = b"version https://git-lfs"
OUTPUT = "{{sample.output_text}}"
FUZZY = """\
import re
import string

IDEALS = {ideals!r}

def normalize(text):
    text = "".join(one for one in text.lower() if one not in string.punctuation)
    return " ".join(re.sub(r"\\b(a|an|the)\\b", " ", text).split())

def grade(sample, item):
    answer = normalize(sample["output_text"])
    for ideal in map(normalize, IDEALS):
        if answer == ideal or (answer and ideal and (answer in ideal or ideal in answer)):
            return 1.0
    return 0.0
"""


class _NotExpressibleError(Exception):
    """An eval that no grader here stands for, and why."""


def read(path: Path) -> SuiteSpec:
    """The evals of one registry YAML as a suite, each eval a component.

    The path is `registry/evals/NAME.yaml` of the repository, or a YAML with its samples beside it.
    FormatError names file, line and field.
    """
    if path.is_dir():
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
        if len(found) != 1:
            names = counted([file.name for file in found]) or "none"
            message = f"holds {len(found)} registry files ({names}): name one"
            raise FormatError(path.name, message)
        path = found[0]
    return _Registry(path).suite()


def write(suite: SuiteSpec, path: Path) -> None:
    """Refused: the registry's classes hold less than a suite does."""
    message = "openai-registry is read only: export to openai-evals, promptfoo or slipway"
    raise InvalidInput("format", message)


class _Registry:
    """One registry file while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = YamlFile(path)
        self.file.at().mapping()
        self.told: list[str] = []
        self.budgets: set[int] = set()

    def suite(self) -> SuiteSpec:
        """All its evals."""
        labels: dict[str, str] = {}
        cases: list[CaseSpec] = []
        names = self._evals()
        for name, key, about in names:
            label = components.join([name])
            try:
                cases += self._cases(name, self.file.at(key), label)
            except _NotExpressibleError as why:
                self.told.append(self.file.at(key).told(f"eval {name!r} is left out: {why}"))
                continue
            labels[label] = about
        if not cases:
            raise self.file.at().wrong("no eval of it can be used: " + "; ".join(self.told))
        if len(self.budgets) > 1:
            told = sorted(self.budgets)
            self.told.append(self.file.at().told(f"max_tokens differ ({told}): the largest is set"))
        return SuiteSpec(
            name=name_from(names[0][0] if len(names) == 1 else self.path.stem),
            description=names[0][2] if len(names) == 1 else "",
            cases=cases,
            graders=[],
            components=labels,
            request={"max_tokens": max(self.budgets), "temperature": 0},
            not_expressible=tuple(dict.fromkeys(self.told)),
        )

    def _evals(self) -> list[tuple[str, str, str]]:
        """Name, key of the spec, and description of each eval that the file defines."""
        root = self.file.root.mapping()
        found: list[tuple[str, str, str]] = []
        aliased: set[str] = set()
        for name, value in root.items():
            target = value if isinstance(value, str) else (value or {}).get("id")
            if target is None:
                continue
            if target not in root:
                raise self.file.at(name).wrong(f"its id {target!r} is not in this file")
            aliased.add(target)
            about = value.get("description") if isinstance(value, Mapping) else None
            self._tell_base(name, value)
            found.append((name, target, str(about or f"Eval {name}")))
        alone = [key for key in root if key not in aliased and "class" in (root[key] or {})]
        return found + [(key, key, f"Eval {key}") for key in alone]

    def _tell_base(self, name: str, value: Any) -> None:
        for key in value if isinstance(value, Mapping) else ():
            place = self.file.at(name, key)
            if key == "metrics" and place.value not in (["accuracy"], "accuracy"):
                self.told.append(place.told(f"{place.value}: the mean score is what is computed"))
            elif key not in ("id", "description", "metrics"):
                self.told.append(place.told("a suite has no such field"))

    def _cases(self, name: str, place: Placed, label: str) -> list[CaseSpec]:
        kind = place.at("class").text()
        args = place.at("args")
        known = JUDGE_ARGS if kind == MODEL_GRADED else KNOWN_ARGS
        make = self._judged(args) if kind == MODEL_GRADED else _basic(kind, args)
        for key in args.mapping():
            if key not in known:
                self.told.append(args.at(key).told("is not applied here"))
        self.budgets.add(int(args.at("max_tokens").value or DEFAULT_MAX_TOKENS))
        examples = self._few_shot(args)
        found = []
        for number, row in enumerate(self._samples(args.at("samples_jsonl"))):
            sample = row.mapping()
            spec = {"components": [label], **make(row)}
            try:
                graders.check_spec(spec)
            except GraderSpecError as error:
                raise _NotExpressibleError(f"{error.field_name}: {error.problem}") from error
            found.append(
                CaseSpec(
                    case_id=f"{name}.{number}",
                    input=_asked(row.at("input"), examples),
                    target=sample.get("ideal"),
                    metadata={"item": dict(sample)},
                    graders=[spec],
                )
            )
        return found

    def _few_shot(self, args: Placed) -> list[dict[str, Any]]:
        n = args.at("num_few_shot").value or 0
        if not n:
            return []
        rows = self._samples(args.at("few_shot_jsonl"))[: int(n)]
        return [message for row in rows for message in _messages(row.at("sample"))]

    def _samples(self, place: Placed) -> list[Placed]:
        name = place.text()
        path = self._found(name, place)
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise place.wrong(f"{name} is only a pointer of Git LFS: run `git lfs pull` first")
        rows = list(json_values(path))
        if not rows:
            raise place.wrong(f"{name} holds no sample")
        return rows

    def _found(self, name: str, place: Placed) -> Path:
        """The file in the repository's data folder, or beside the YAML."""
        if Path(name).is_absolute() or ".." in Path(name).parts or "://" in name:
            raise place.wrong(f"{name} is outside of the registry: put the file beside the YAML")
        roots = (self.path.parent.parent / "data", self.path.parent, self.path.parent / "data")
        for candidate in [root / name for root in roots] + [self.path.parent / Path(name).name]:
            if candidate.is_file():
                return candidate
        raise place.wrong(f"{name} is neither in ../data nor beside {self.path.name}")

    def _judged(self, args: Placed) -> Callable[[Placed], dict[str, Any]]:
        """Model-graded: the choice is the label, the best choices pass."""
        place = args.at("modelgraded_spec")
        name = place.text()
        if args.at("metaeval").value:
            raise _NotExpressibleError(
                "a meta-eval grades the judge: import it as a judge's labels"
            )
        spec = self._judging(name, place)
        choices = spec.at("choice_strings")
        if isinstance(choices.value, str) and choices.value.startswith("from_n"):
            raise _NotExpressibleError(f"{name} compares several answers ({choices.value})")
        # 'YN' is short for the two letters.
        labels = [str(one) for one in choices.value or ()]
        passing = self._passing(spec, labels)
        message = f"{name}: no judging model is named, {JUDGE!r} is written"
        self.told.append(place.told(message))
        prompt = spec.at("prompt")
        outputs = set((spec.at("input_outputs").value or {}).values()) or {"completion"}
        texts = _messages(prompt)
        filled = [{**one, "content": _template(one["content"], outputs, prompt)} for one in texts]
        names = {name for one in texts for name in _names(one["content"], prompt)} - outputs
        grader = {
            "type": "label_model",
            "model": JUDGE,
            "input": filled,
            "labels": labels,
            "passing_labels": passing,
        }
        return lambda row: _checked(grader, names, row)

    def _judging(self, name: str, place: Placed) -> Placed:
        roots = (self.path.parent.parent / "modelgraded", self.path.parent)
        for root in roots:
            for file in sorted(root.glob("*.yaml")):
                found = YamlFile(file)
                root_value = found.root.value if isinstance(found.root.value, Mapping) else {}
                if file.stem == name and "prompt" in root_value:
                    return found.at()
                if "prompt" in (root_value.get(name) or {}):
                    return found.at(name)
        raise place.wrong(f"{name} is neither in ../modelgraded nor beside {self.path.name}")

    def _passing(self, spec: Placed, labels: Sequence[str]) -> list[str]:
        scores = spec.at("choice_scores").value
        if scores == "from_strings":
            scores = {label: float(label) for label in labels}
        if not isinstance(scores, Mapping):
            raise _NotExpressibleError("its choices have no choice_scores: which of them pass?")
        best = max(scores.values())
        partial = [one for one in labels if min(scores.values()) < scores.get(one, 0) < best]
        if partial:
            message = f"{counted(partial)} score between: they fail, a label passes or fails"
            self.told.append(spec.at("choice_scores").told(message))
        return [one for one in labels if scores.get(one) == best]


def _checked(grader: dict[str, Any], names: set[str], row: Placed) -> dict[str, Any]:
    """The grader, when the row has all that its prompt names."""
    missing = sorted(names - set(row.mapping()))
    if missing:
        raise row.wrong(f"lacks {', '.join(missing)}, which the judge's prompt names")
    return grader


def _basic(kind: str, args: Placed) -> Callable[[Placed], dict[str, Any]]:
    make = _BASIC.get(kind.removeprefix(BASIC))
    if make is None:
        raise _NotExpressibleError(f"there is nothing like {kind} here")
    ignores_case = bool(args.at("ignore_case").value)
    return lambda row: make(row, ignores_case)


def _ideals(row: Placed) -> list[str]:
    place = row.at("ideal")
    given = place.value if isinstance(place.value, list) else [place.value]
    if not given or not all(isinstance(one, str) for one in given):
        raise place.wrong("must be a text or a list of texts")
    return given


def _match(row: Placed, ignores_case: bool) -> dict[str, Any]:
    several = "|".join(re.escape(one) for one in _ideals(row))
    return {"type": "regex", "pattern": rf"\A(?:{several})"}


def _includes(row: Placed, ignores_case: bool) -> dict[str, Any]:
    several = "|".join(re.escape(one) for one in _ideals(row))
    spec: dict[str, Any] = {"type": "regex", "pattern": several or r"\A"}
    return {**spec, "ignore_case": True} if ignores_case else spec


def _fuzzy(row: Placed, ignores_case: bool) -> dict[str, Any]:
    return {"type": "python", "source": FUZZY.format(ideals=_ideals(row))}


def _json_match(row: Placed, ignores_case: bool) -> dict[str, Any]:
    try:
        values = [json.loads(one) for one in _ideals(row)]
    except ValueError as error:
        raise row.at("ideal").wrong(f"is not JSON: {error}") from error
    return {"type": "json_schema", "schema": {"enum": values}}


def _json_validator(row: Placed, ignores_case: bool) -> dict[str, Any]:
    return {"type": "json_schema", "schema": True}


_BASIC: Mapping[str, Callable[[Placed, bool], dict[str, Any]]] = {
    "match:Match": _match,
    "includes:Includes": _includes,
    "fuzzy_match:FuzzyMatch": _fuzzy,
    "json_match:JsonMatch": _json_match,
    "json_validator:JsonValidator": _json_validator,
}


def _asked(place: Placed, examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is asked, worked examples before the last message."""
    messages = _messages(place)
    return [*messages[:-1], *examples, *messages[-1:]]


def _messages(place: Placed) -> list[dict[str, Any]]:
    if isinstance(place.value, str):
        return [{"role": "user", "content": place.value}]
    found = []
    for one in place.items():
        one.at("role").text()
        one.at("content").text()
        found.append(dict(one.value))
    if not found:
        raise place.wrong("asks nothing")
    return found


def _parts(text: str, place: Placed) -> list[tuple[str, str | None]]:
    try:
        return [(literal, name) for literal, name, _, _ in string.Formatter().parse(text)]
    except ValueError as error:
        raise place.wrong(f"its braces do not fit: {error}") from error


def _names(text: str, place: Placed) -> set[str]:
    """What a prompt in Python's braces fills in."""
    return {name for _, name in _parts(text, place) if name is not None}


def _template(text: str, outputs: set[str], place: Placed) -> str:
    """A prompt in Python's braces as one of a grader; chats stand in it as JSON."""
    shown = []
    for literal, name in _parts(text, place):
        shown.append(literal)
        if name is not None:
            shown.append(OUTPUT if name in outputs else f"{{{{item.{name}}}}}")
    return "".join(shown)
