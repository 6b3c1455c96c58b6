"""YAML as suite files use it: dates stay text, lines are known, long texts are blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


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
    """The document; yaml.YAMLError when it is none."""
    return yaml.load(text, Loader=TextDates)  # noqa: S506  a SafeLoader


def load_large(text: str) -> tuple[Any, Lines]:
    """The document with its lines, read once; yaml.YAMLError when it is none."""
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
