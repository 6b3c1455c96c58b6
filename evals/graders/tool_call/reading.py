"""The function calls in an answer: native ones, JSON text, or Python call syntax."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.graders.contract import Sample

LONGEST = 100_000
"""Characters of text that are read as calls."""
TAGGED = re.compile(r"<(tool_call|function_call)>(.*?)</\1>", re.DOTALL)
FENCED = re.compile(r"```(?:\w+)?[ \t]*\n(.*?)```", re.DOTALL)
ATTEMPT = re.compile(r"[\[{]|<(?:tool|function)_call>|```(?:json|tool_code)\b")
"""How a text begins that sets out to be a call."""
TOO_DEEP = (RecursionError, MemoryError)


class Unreadable(Exception):
    """The answer sets out to be a call and is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a function."""

    name: str
    arguments: Mapping[str, Any]


def calls_of(sample: Sample, source: str, order: Mapping[str, Sequence[str]]) -> list[Call]:
    """Every call of the answer; none for plain prose, Unreadable for a broken call.

    `source` is `tools`, `text` or `any`: native calls, and without one the text. `order` names each
    function's arguments in their order by its plain name, for calls that give them by position.
    """
    if sample.output_tools and source != "text":
        return [_native(row) for row in sample.output_tools]
    if source == "tools":
        return []
    return _from_text(sample.output_text, order)


def plain_name(name: str) -> str:
    """The name as an API takes it that allows no dots, as OpenAI's: with underscores."""
    return name.replace(".", "_")


def _native(row: Mapping[str, Any]) -> Call:
    function = row.get("function") if isinstance(row, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise Unreadable("a tool call names no function")
    return _call(function["name"], function.get("arguments") or {})


def _call(name: str, arguments: Any) -> Call:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the arguments of {name} are not JSON ({error})") from error
    if not isinstance(arguments, Mapping):
        raise Unreadable(f"the arguments of {name} are no JSON object")
    return Call(name=name, arguments=arguments)


def _from_text(text: str, order: Mapping[str, Sequence[str]]) -> list[Call]:
    if len(text) > LONGEST:
        raise Unreadable(f"the answer is longer than {LONGEST:,} characters")
    blocks = [match[2] for match in TAGGED.finditer(text)]
    blocks = blocks or [match[1] for match in FENCED.finditer(text)] or [text]
    read = [_from_block(block.strip(" \n\t`"), order) for block in blocks]
    if all(calls is None for calls in read) and ATTEMPT.match(text.strip()):
        raise Unreadable("the answer sets out to be a call and breaks off or is malformed")
    return [call for calls in read for call in calls or ()]


def _from_block(text: str, order: Mapping[str, Sequence[str]]) -> list[Call] | None:
    """The calls of a JSON or Python text; None when it is neither."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return _from_python(text, order)
    rows = rows if isinstance(rows, list) else [rows]
    found = [_from_object(row, order) for row in rows if isinstance(row, Mapping)]
    return [call for call in found if call is not None]


def _from_object(row: Mapping[str, Any], order: Mapping[str, Sequence[str]]) -> Call | None:
    """`{"name", "arguments"}`, the same under `function`, or `{name: {argument: value}}`."""
    inner = row.get("function")
    if isinstance(inner, Mapping):
        return _from_object(inner, order)
    name = row.get("name", inner)
    for key in ("arguments", "parameters"):
        if isinstance(name, str) and key in row:
            return _call(name, row[key])
    if len(row) == 1:
        ((name, arguments),) = row.items()
        is_known = not order or plain_name(name) in order
        if is_known and isinstance(arguments, Mapping):
            return Call(name=name, arguments=arguments)
    return None


def _from_python(text: str, order: Mapping[str, Sequence[str]]) -> list[Call] | None:
    """Calls such as `[f(a=1), g.h(b="x")]`; None when the text is no such list."""
    try:
        body = ast.parse(text, mode="eval").body
        nodes = body.elts if isinstance(body, ast.List | ast.Tuple) else [body]
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        return [_from_node(node, order) for node in calls] if len(calls) == len(nodes) else None
    except (SyntaxError, ValueError, *TOO_DEEP):
        return None


def _from_node(node: ast.Call, order: Mapping[str, Sequence[str]]) -> Call:
    name = ast.unparse(node.func)
    known = order.get(plain_name(name), ())
    arguments = {
        known[place] if place < len(known) else f"#{place + 1}": _value(value)
        for place, value in enumerate(node.args)
    }
    arguments |= {word.arg or "**": _value(word.value) for word in node.keywords}
    return Call(name=name, arguments=arguments)


def _value(node: ast.expr) -> Any:
    """The literal; the source text of anything else, such as a variable's name."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)
