"""Each type of assertion that a grader stands for."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from evals.formats.documents import Placed
from evals.formats.promptfoo import files, sources, templates
from evals.formats.promptfoo.csv_tests import parts_of

JUDGE = "judge"
"""The model of a rubric whose config names none; an endpoint of that name has to be configured."""
SIMILARITY = {"rouge-n": "rouge_1", "bleu": "bleu", "gleu": "gleu", "meteor": "meteor"}
SIMILARITY_THRESHOLD = {"rouge-n": 0.75, "bleu": 0.5, "gleu": 0.5, "meteor": 0.5, "similar": 0.75}


class NotExpressibleError(Exception):
    """An assertion that no grader here stands for, and why."""


class Scene:
    """What an assertion is read with: the test's vars, its question, its judge, the folder."""

    def __init__(
        self, variables: Mapping[str, Any], question: str, judge: str, folder: files.Folder
    ) -> None:
        self.variables = variables
        self.question = question
        self.judge = judge
        self.folder = folder


def _value(place: Placed, scene: Scene) -> Any:
    """The assertion's value with its templates filled; a file's content for `file://`."""
    value = place.value.get("value")
    if isinstance(value, str) and value.startswith(files.SCHEME):
        if files.is_program(value):
            raise NotExpressibleError(f"{value} is a program that makes the expected value")
        return files.value_of(scene.folder.found(value, place.at("value"))[0]).value
    if isinstance(value, list | str):
        return templates.render_all(value, scene.variables, place.at("value"))
    return value


def _text(place: Placed, scene: Scene) -> str:
    value = _value(place, scene)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise place.at("value").wrong("needs a text or a number")
    return value if isinstance(value, str) else json.dumps(value)


def _literal(text: str) -> str:
    """The text for a grader's template field, where `{{item.x}}` would be filled in."""
    if re.search(r"\{\{\s*(item|sample)[.\[]", text):
        raise NotExpressibleError("its value holds {{item. or {{sample., which graders fill in")
    return text


def _equals(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    value = _value(place, scene)
    if isinstance(value, Mapping | list):
        return {"type": "json_schema", "schema": {"const": value}}
    shown = value if isinstance(value, str) else json.dumps(value)
    return {"type": "string_check", "operation": "eq", "reference": _literal(shown)}


def _contains(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    operation = "ilike" if base.startswith("i") else "like"
    text = _literal(_text(place, scene))
    return {"type": "string_check", "operation": operation, "reference": text}


def _contains_several(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    value = _value(place, scene)
    parts = parts_of(value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not parts:
        raise place.at("value").wrong("needs a list, or texts with commas between")
    escaped = [re.escape(one if isinstance(one, str) else json.dumps(one)) for one in parts]
    if base.endswith("any"):
        pattern = "|".join(escaped)
    else:
        pattern = r"\A" + "".join(rf"(?=[\s\S]*{one})" for one in escaped)
    spec: dict[str, Any] = {"type": "regex", "pattern": pattern}
    return {**spec, "ignore_case": True} if base.startswith("i") else spec


def _starts_with(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    return {"type": "regex", "pattern": r"\A" + re.escape(_text(place, scene))}


def _regex(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    return {"type": "regex", "pattern": _text(place, scene)}


def _is_json(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    return {"type": "json_schema", "schema": _schema(place, scene)}


def _schema(place: Placed, scene: Scene) -> Any:
    value = _value(place, scene)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise place.at("value").wrong(f"is no JSON Schema: {error}") from error
    return True if value is None else value


def _contains_json(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    schema = json.dumps(_schema(place, scene), sort_keys=True)
    return {"type": "python", "source": sources.HOLDS_JSON.format(schema=schema)}


def _word_count(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    value = _value(place, scene)
    if isinstance(value, Mapping):
        low, high = value.get("min", 0), value.get("max", sys.maxsize)
    else:
        low = high = float(_text(place, scene))
    return {"type": "python", "source": sources.WORDS.format(low=low, high=high)}


def _levenshtein(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    most = place.value.get("threshold", 5)
    return {
        "type": "python",
        "source": sources.DISTANCE.format(value=_text(place, scene), most=most),
    }


def _finish_reason(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    return {
        "type": "string_check",
        "input": "{{sample.finish_reason}}",
        "operation": "eq",
        "reference": _literal(_text(place, scene)),
    }


def _similarity(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    metric = SIMILARITY.get(base, "cosine")
    threshold = place.value.get("threshold", SIMILARITY_THRESHOLD.get(base, 0.75))
    return {
        "type": "text_similarity",
        "input": sources.OUTPUT,
        "reference": _literal(_text(place, scene)),
        "evaluation_metric": metric,
        "pass_threshold": threshold,
    }


def _judge(place: Placed, scene: Scene) -> str:
    """The model that grades; `openai:chat:gpt-4o` is gpt-4o here."""
    provider = place.value.get("provider") or scene.judge
    if isinstance(provider, Mapping):
        provider = provider.get("id") or provider.get("text") or scene.judge
    name = provider.get("id", JUDGE) if isinstance(provider, Mapping) else str(provider)
    return name.rsplit(":", 1)[-1] or JUDGE


def _rubric(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    rubric = _value(place, scene)
    if isinstance(rubric, list):
        rubric = "\n".join(str(one) for one in rubric)
    if not isinstance(rubric, str) or not rubric:
        raise place.at("value").wrong("needs the rubric's text")
    form = sources.CLOSED_QA if base == "model-graded-closedqa" else sources.RUBRIC
    text = form.format(rubric=_literal(rubric), value=rubric, question=_literal(scene.question))
    spec: dict[str, Any] = {
        "type": "score_model",
        "model": _judge(place, scene),
        "input": [{"role": "user", "content": text}],
        "range": [0, 1],
    }
    threshold = place.value.get("threshold")
    return {**spec, "pass_threshold": 0.5 if threshold is None else threshold}


def _factuality(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    value = _literal(_text(place, scene))
    text = sources.FACTS.format(question=_literal(scene.question), value=value)
    return {
        "type": "label_model",
        "model": _judge(place, scene),
        "input": [{"role": "user", "content": text}],
        "labels": ["A", "B", "C", "D", "E"],
        "passing_labels": ["A", "B", "C", "E"],
    }


def _python(place: Placed, base: str, scene: Scene) -> dict[str, Any]:
    threshold = place.value.get("threshold")
    value = place.at("value").text()
    shape = {"config": repr(place.value.get("config")), "verdict": "return score"}
    if threshold is not None:
        shape["verdict"] = f"return score if score >= {threshold!r} else 0.0"
    if value.startswith(files.SCHEME):
        name, _, function = value.removeprefix(files.SCHEME).partition(".py:")
        path = scene.folder.found(name if name.endswith(".py") else f"{name}.py", place)[0]
        source = files.value_of(path).value
        shape["function"] = function or "get_assert"
        return {"type": "python", "source": sources.PYTHON_FILE.format(source=source, **shape)}
    code = templates.render(value, scene.variables, place.at("value")).strip()
    lines = code.split("\n")
    body = code if len(lines) > 1 else f"return {code.removeprefix('return ')}"
    return {
        "type": "python",
        "source": sources.PYTHON.format(body=textwrap.indent(body, "    "), **shape),
    }


MAKERS: Mapping[str, Callable[[Placed, str, Scene], dict[str, Any]]] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _contains,
    "contains-any": _contains_several,
    "contains-all": _contains_several,
    "icontains-any": _contains_several,
    "icontains-all": _contains_several,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "contains-json": _contains_json,
    "word-count": _word_count,
    "levenshtein": _levenshtein,
    "finish-reason": _finish_reason,
    "similar": _similarity,
    "similar:cosine": _similarity,
    "rouge-n": _similarity,
    "bleu": _similarity,
    "gleu": _similarity,
    "meteor": _similarity,
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "g-eval": _rubric,
    "factuality": _factuality,
    "model-graded-factuality": _factuality,
    "python": _python,
}
