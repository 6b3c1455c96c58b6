"""YAML as suite files use it: dates stay text, lines are known, long texts are blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

DEEPEST = 200
"""Levels of a document: libyaml ends the whole process some thousands deeper."""
MOST_NODES = 5_000_000
"""Of a document with every alias written out."""


class TextDates(yaml.SafeLoader):
    """YAML without its habit of turning an unquoted date into an object."""


TextDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Fast(yaml.CSafeLoader):
    """As TextDates, by libyaml: large files of other tools."""


_Fast.yaml_implicit_resolvers = TextDates.yaml_implicit_resolvers


class Blocks(yaml.SafeDumper):
    """YAML with texts of several lines as blocks that a person can read."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


Blocks.add_representer(str, Blocks.represent_str)


class _FastBlocks(yaml.CSafeDumper):
    """As Blocks, by libyaml; it breaks long lines elsewhere."""

    represent_str = Blocks.represent_str


_FastBlocks.add_representer(str, _FastBlocks.represent_str)


class Lines:
    """Where in a YAML text each field stands."""

    def __init__(self, text: str, root: yaml.Node | None = None) -> None:
        self._root = root or yaml.compose(text, Loader=TextDates)

    def of(self, path: Sequence[str | int]) -> int:
        """The 1-based line of the deepest node on the path that exists."""
        node = self._root
        line = node.start_mark.line if node else 0
        for part in path:
            found = self._child(node, part)
            if found is None:
                break
            line, node = found
        return int(line) + 1

    @staticmethod
    def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            return node.value[part].start_mark.line, node.value[part]
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    return key.start_mark.line, value
        return None


def load(text: str) -> Any:
    """The document; yaml.YAMLError when it is none, too deep or too large when written out."""
    check_shape(text)
    return yaml.load(text, Loader=TextDates)  # noqa: S506  a SafeLoader


def check_shape(text: str) -> None:
    """yaml.YAMLError where the text nests too deep, or its aliases hold each other up to too much.

    Texts that can do neither are not looked through.
    """
    n_levels = text.count("[") + text.count("{") + max(map(len, _STEPS.findall(text)), default=0)
    if n_levels > DEEPEST or _ALIAS.search(text):
        _Shape().check(text)


# What may open levels of its own before the first word of a line.
_STEPS = re.compile(r"^[\s\-?:]+", re.MULTILINE)
_ALIAS = re.compile(r"\*[^\s,\[\]{}*]")


class _Shape:
    """Levels and nodes of a document, counted along its events."""

    def __init__(self) -> None:
        self.open: list[tuple[str | None, int]] = [(None, 0)]
        self.sizes: dict[str, int] = {}

    def check(self, text: str) -> None:
        for event in yaml.parse(text, Loader=_Fast):
            if isinstance(event, yaml.CollectionStartEvent):
                self.open.append((event.anchor, 1))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._add(*self.open.pop())
            elif isinstance(event, yaml.AliasEvent):
                self._add(None, self._size_of(event))
            elif isinstance(event, yaml.ScalarEvent):
                self._add(event.anchor, 1)
            if len(self.open) > DEEPEST:
                raise _refused(f"it is nested deeper than {DEEPEST} levels", event)
            if self.open[-1][1] > MOST_NODES:
                raise _refused(f"its aliases stand for more than {MOST_NODES:,} values", event)

    def _add(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self.sizes[anchor] = size
        outer, before = self.open[-1]
        self.open[-1] = (outer, before + size)

    def _size_of(self, event: yaml.AliasEvent) -> int:
        if event.anchor not in self.sizes:
            message = f"the alias *{event.anchor} stands for nothing before it, or for itself"
            raise _refused(message, event)
        return self.sizes[event.anchor]


def _refused(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def load_large(text: str) -> tuple[Any, Lines]:
    """The document with its lines, read once; refused as by `load`."""
    check_shape(text)
    loader = _Fast(text)
    try:
        root = loader.get_single_node()
        return (loader.construct_document(root) if root else None), Lines(text, root)
    finally:
        loader.dispose()


def dump(document: object, *, is_large: bool = False) -> str:
    """The document's text, keys in the order given."""
    dumper = _FastBlocks if is_large else Blocks
    return yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=96)
