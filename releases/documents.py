"""YAML and JSON documents in which every field knows its line. Pure.

One dialect: mappings with text keys, lists, text, numbers, yes/no and null. Dates stay text, a key
given twice is a problem, and what PostgreSQL can't keep (NUL, NaN, half a surrogate pair) is too.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from infra.errors import InvalidInput, Reason

Path = tuple[str | int, ...]
MAX_DEPTH = 30
MAX_NODES = 50_000  # an alias counts every time it is used, so a small file can't unfold for ever


def _pattern(
    validator: Any, pattern: str, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """As ECMA 262 reads `$`: Python's own would let a line end follow it."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


Validator: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong in a document, and where."""

    file: str
    sentence: str
    line: int | None = None
    field: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.sentence) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A value and the line of each of its fields."""

    value: Any
    file: str
    lines: Mapping[Path, int] = field(default_factory=dict)

    def problem(self, path: Sequence[str | int], sentence: str) -> Problem:
        """A problem at the deepest known field of `path`."""
        return Problem(
            file=self.file, line=self._line(tuple(path)), field=dotted(path), sentence=sentence
        )

    def _line(self, path: Path) -> int | None:
        known = (self.lines.get(path[:end]) for end in range(len(path), -1, -1))
        return next((line for line in known if line is not None), None)


def refuse(code: str, what: str, problems: Iterable[Problem]) -> None:
    """InvalidInput with a reason a problem; nothing when there is none."""
    found = list(problems)
    if not found:
        return
    reasons = [
        Reason(code=code, sentence=str(p), observed={"file": p.file, "line": p.line}) for p in found
    ]
    count = "one problem" if len(found) == 1 else f"{len(found)} problems"
    raise InvalidInput(code, f"{what} has {count}: {found[0]}", reasons)


def dotted(path: Sequence[str | int]) -> str:
    """`stages[0].gates` for ("stages", 0, "gates")."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def read_documents(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """Every document of a YAML text, and what is wrong with the text itself."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        return [], [Problem(file=file, sentence=f"is not YAML: {error}")]
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        while loader.check_node():
            walk = _Walk(loader, file)
            document = Document(
                value=walk.value(loader.get_node(), ()), file=file, lines=walk.lines
            )
            documents.append(document)
            problems += walk.problems + storage_problems(document)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problems.append(Problem(file=file, line=line, sentence=f"is not YAML: {error.problem}"))
    except yaml.YAMLError as error:
        problems.append(Problem(file=file, sentence=f"is not YAML: {error}"))
    except (_TooLarge, RecursionError):
        limits = f"is nested deeper than {MAX_DEPTH} or unfolds to over {MAX_NODES:,} values"
        problems.append(Problem(file=file, sentence=limits))
    finally:
        loader.dispose()
    if not documents and not problems:
        problems.append(Problem(file=file, sentence="is empty"))
    return documents, problems


def read_json(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """The one document of a JSON text, and what is wrong with the text itself."""
    try:
        document = Document(value=json.loads(text), file=file)
    except json.JSONDecodeError as error:
        return [], [Problem(file=file, line=error.lineno, sentence=f"is not JSON: {error.msg}")]
    except (ValueError, RecursionError) as error:
        return [], [Problem(file=file, sentence=f"is not JSON: {error}")]
    return [document], storage_problems(document)


def storage_problems(document: Document) -> list[Problem]:
    """Each value that PostgreSQL's jsonb can't hold."""
    return [document.problem(path, sentence) for path, sentence in _unstorable(document.value, ())]


def schema_problems(document: Document, validator: Any) -> list[Problem]:
    """Everything that the schema forbids, in the order of the file."""
    errors = sorted(validator.iter_errors(document.value), key=lambda e: [str(p) for p in e.path])
    return [problem for error in errors for problem in error_problems(document, error)]


def error_problems(
    document: Document, error: ValidationError, prefix: Sequence[str | int] = ()
) -> Iterator[Problem]:
    """One schema error, below `prefix`, in a person's words."""
    path = [*prefix, *error.absolute_path]
    schema: Any = error.schema
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(schema.get("properties", ()))
        for key in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            yield document.problem([*path, key], f"unknown key; {hint}")
    elif error.validator == "not":
        yield document.problem(path, f"{error.instance!r} is a word of Slipway's: choose another")
    elif error.validator == "pattern":
        hint = schema.get("description", f"must match {error.validator_value}")
        yield document.problem(path, f"{error.instance!r}: {hint}")
    else:
        message = error.message if len(error.message) < 300 else f"{error.message[:300]}…"
        yield document.problem(path, message)


class _TooLarge(Exception):
    """More than a document of this dialect holds."""


class _Loader(yaml.SafeLoader):
    """YAML without its habit of turning an unquoted date into an object."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Walk:
    """One document's nodes as plain values."""

    def __init__(self, loader: _Loader, file: str) -> None:
        self.loader, self.file = loader, file
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self.n_nodes = 0

    def value(self, node: yaml.Node | None, path: Path) -> Any:
        """The node's value; _TooLarge beyond the limits."""
        self.n_nodes += 1
        if node is None or self.n_nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise _TooLarge()
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode) and not node.tag.endswith((":map", ":seq")):
            self._add(path, node.start_mark.line + 1, f"{node.tag} is not supported")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if not key_node.tag.endswith((":str", ":int", ":float", ":bool", ":null")):
                self._add(path, line, "a key must be text")
                continue
            if key in found:
                self._add((*path, key), line, f"the key {key!r} is given twice")
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (yaml.constructor.ConstructorError, ValueError) as error:
            said = getattr(error, "problem", None) or error
            self._add(path, node.start_mark.line + 1, f"can't be read: {said}")
            return None
        if value is not None and not isinstance(value, str | int | float):
            self._add(path, node.start_mark.line + 1, f"{node.tag} is not supported: write text")
            return None
        return value

    def _add(self, path: Path, line: int, sentence: str) -> None:
        problem = Problem(file=self.file, line=line, field=dotted(path), sentence=sentence)
        self.problems.append(problem)


def _unstorable(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
            yield path, "holds a NUL character or half of a surrogate pair, which can't be stored"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{value} is not a number that can be used"
    elif isinstance(value, dict):
        for key, item in value.items():
            if any(_unstorable(key, path)):
                yield path, "a key holds a character that can't be stored"
            yield from _unstorable(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, (*path, index))
