"""Names in a pipeline file of what only a database knows: suites, nodes, cohorts, persons. Pure.

Whoever keeps them says which there are: `settings.POLICY_SOURCES` names the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from releases.documents import Document, Path
from releases.gates.contract import Rule
from releases.policy.shapes import items, stages_of, table


class What(StrEnum):
    """What a name is the name of."""

    SUITE = "suite"
    NODE = "node"
    CHECKPOINT = "checkpoint"
    COHORT = "cohort"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A name and where it stands; a node is `of` a suite."""

    what: What
    name: str
    path: Path
    of: str = ""


class NameSource(Protocol):
    """Knows some of the names."""

    names: frozenset[What]

    def problem(self, mention: Mention) -> str:
        """Empty for a name that exists; else a sentence about it."""


def mentions(document: Document, kinds: Mapping[str, Rule]) -> list[Mention]:
    """Every such name of a document, in its order; the document may be malformed."""
    found = list(_owners(table(document.value), ()))
    for index, stage in stages_of(document):
        path: Path = ("stages", index)
        found += [
            Mention(what=What.COHORT, name=name, path=(*path, "cohorts", number))
            for number, name in _texts(stage, "cohorts")
        ]
        for number, gate in enumerate(items(stage, "gates")):
            rule = kinds.get(str(table(gate).get("kind")))
            if rule is not None:
                found += _of_gate((*path, "gates", number), table(gate), rule)
        found += _owners(stage, path)
    return found


def _of_gate(path: Path, gate: Mapping[str, Any], rule: Rule) -> Iterator[Mention]:
    known = table(rule.schema.get("properties"))
    suite = gate.get("suite")
    if "suite" in known and isinstance(suite, str):
        yield Mention(what=What.SUITE, name=suite, path=(*path, "suite"))
        yield from _nodes(path, gate, suite)
    for key in ("baseline", "anchor"):
        name = table(gate.get(key)).get("checkpoint")
        if key in known and isinstance(name, str):
            yield Mention(what=What.CHECKPOINT, name=name, path=(*path, key, "checkpoint"))


def _nodes(path: Path, gate: Mapping[str, Any], suite: str) -> Iterator[Mention]:
    if isinstance(gate.get("node"), str):
        yield Mention(what=What.NODE, name=gate["node"], path=(*path, "node"), of=suite)
    for key in ("must_prove", "critical_nodes", "nodes"):
        for number, name in _texts(gate, key):
            yield Mention(what=What.NODE, name=name, path=(*path, key, number), of=suite)


def _owners(of: Mapping[str, Any], path: Path) -> Iterator[Mention]:
    for number, freeze in enumerate(items(of, "freezes")):
        owner = table(freeze).get("owner")
        if isinstance(owner, str):
            yield Mention(what=What.PERSON, name=owner, path=(*path, "freezes", number, "owner"))


def _texts(of: Mapping[str, Any], key: str) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(items(dict(of), key)):
        if isinstance(text, str):
            yield number, text
