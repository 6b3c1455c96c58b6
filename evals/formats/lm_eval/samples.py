"""lm-eval's samples: one line per document and filter, gathered into one case a document."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals import components
from evals.formats.contract import CaseSpec, FormatError, canonical_json
from evals.formats.documents import Placed, json_values
from evals.formats.results import ResultSpec
from evals.graders.contract import ComponentGrade
from evals.outputs import Output
from evals.states import ResultState


@dataclass(slots=True, kw_only=True)
class Doc:
    """One document of a task, with its scores of every filter."""

    task: str
    place: Placed
    scores: dict[str, float] = field(default_factory=dict)
    """By component; the first is the one that the task's score is made of."""
    filters: dict[str, str] = field(default_factory=dict)
    """The lines seen, by filter, as canonical JSON of their scores."""

    @property
    def case_id(self) -> str:
        return f"{self.task}/{self.place.value['doc_id']}"

    def case(self) -> CaseSpec:
        """The prompt as it was sent; the choices of a multiple choice under `metadata.choices`."""
        contexts, continuations = self._asked()
        row = self.place.value
        metadata = {"task": self.task, "doc_id": row["doc_id"], "doc": row.get("doc")}
        if len(continuations) > 1 or len(set(contexts)) > 1:
            metadata |= {"choices": continuations}
        if len(set(contexts)) > 1:
            metadata |= {"contexts": contexts}
        return CaseSpec(
            case_id=self.case_id,
            input=_messages(contexts[0]),
            target=row.get("target"),
            metadata=metadata,
            components=tuple(self.scores),
        )

    def result(self) -> ResultSpec:
        """Scored by the first metric; unscored when lm-eval gave no score in 0..1."""
        output = self._output()
        if not self.scores:
            return ResultSpec(
                case_id=self.case_id,
                state=ResultState.UNSCORED,
                output=output,
                error_code="not_scored",
                error_message="lm-eval gave no score in 0..1 to this document.",
            )
        score = next(iter(self.scores.values()))
        return ResultSpec(
            case_id=self.case_id,
            state=ResultState.PASSED if score >= 1 else ResultState.FAILED,
            score=score,
            components={label: ComponentGrade(score=share) for label, share in self.scores.items()},
            output=output,
        )

    def _asked(self) -> tuple[list[str], list[str]]:
        """The contexts and the continuations of the document's requests, in their order."""
        asked = self.place.at("arguments")
        # Older versions write lists where newer ones name each argument.
        names = range(len(asked.value)) if isinstance(asked.value, list) else asked.mapping()
        contexts, continuations = [], []
        for name in names:
            given = asked.at(name)
            first, second = (0, 1) if isinstance(given.value, list) else ("arg_0", "arg_1")
            context = given.at(first)
            # A chat stands as a list that holds its messages as one text of JSON.
            is_chat = isinstance(context.value, list) and len(context.value) == 1
            contexts.append((context.at(0) if is_chat else context).text())
            if isinstance(given.at(second).value, str):
                continuations.append(given.at(second).value)
        if not contexts:
            raise self.place.at("arguments").wrong("is empty: nothing was asked")
        return contexts, continuations

    def _output(self) -> Output | None:
        """The generated text, or the continuation that was found likeliest."""
        responses = self.place.value.get("resps")
        firsts = [one[0] for one in responses if isinstance(one, list) and one] if responses else []
        if not firsts:
            return None
        if isinstance(firsts[0], str):
            return Output(text=firsts[0])
        likely = [_number(one[0]) if isinstance(one, list) and one else None for one in firsts]
        known = [(value, -index) for index, value in enumerate(likely) if value is not None]
        continuations = self._asked()[1]
        if not known or len(continuations) != len(firsts):
            return None
        return Output(text=continuations[-max(known)[1]])


def _messages(context: str) -> list[dict[str, Any]]:
    """The chat that a context spells out as JSON; any other text is one message of the user."""
    if context.startswith("[{"):
        try:
            found = json.loads(context)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(_is_message(one) for one in found):
            return [{"role": one["role"], "content": one["content"]} for one in found]
    return [{"role": "user", "content": context}]


def _is_message(value: Any) -> bool:
    keys = {"role", "content"}
    # With the prompt for a local server's chat comes a type that says no more.
    return isinstance(value, dict) and keys <= value.keys() <= keys | {"type"}


def docs_of(task: str, file: Path, lower: frozenset[str], told: list[str]) -> list[Doc]:
    """The documents of a samples file; a line repeated for one (doc_id, filter) counts once."""
    found: dict[Any, Doc] = {}
    left_out: dict[str, int] = {}
    for row in json_values(file, nan_as_null=True):
        whole = row.mapping()
        doc_id, filter_name = whole.get("doc_id"), whole.get("filter", "none")
        if isinstance(doc_id, bool) or not isinstance(doc_id, int | str):
            raise row.at("doc_id").wrong(f"{doc_id!r} is neither a number nor a text")
        doc = found.setdefault(doc_id, Doc(task=task, place=row))
        _add(doc, row, str(filter_name), lower, left_out)
    if not found:
        raise FormatError(file.name, "holds no sample")
    for metric, count in left_out.items():
        told.append(
            f"{file.name}: {metric} is no score in 0..1 that grows with quality ({count} times)"
        )
    return list(found.values())


def _add(
    doc: Doc, row: Placed, filter_name: str, lower: frozenset[str], left_out: dict[str, int]
) -> None:
    metrics = row.at("metrics")
    names = [name.text() for name in metrics.items()]
    given = {name: row.value.get(name) for name in names}
    seen = canonical_json({name: repr(value) for name, value in given.items()})
    if filter_name in doc.filters:
        if doc.filters[filter_name] != seen:
            message = f"document {row.value['doc_id']} has two different results of one filter"
            raise row.at("filter").wrong(message)
        return
    doc.filters[filter_name] = seen
    for name, value in given.items():
        score = _number(value)
        if name in lower or score is None or not 0 <= score <= 1:
            left_out[name] = left_out.get(name, 0) + 1
            continue
        doc.scores[label_of(doc.task, name, filter_name)] = score


def label_of(task: str, metric: str, filter_name: str) -> str:
    """`gsm8k.exact_match.strict-match`; the filter `none` is left out."""
    parts = [task, metric] if filter_name == "none" else [task, metric, filter_name]
    return components.join(parts)


def _number(value: Any) -> float | None:
    """Numbers, also as texts, as lm-eval writes likelihoods; None for all else."""
    if isinstance(value, str | int | float):
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None
