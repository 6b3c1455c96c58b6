"""The component tree of dotted labels."""

from __future__ import annotations

import pytest

from evals import components
from evals.components import ComponentError

PARSED = [
    ("root", "", ()),
    ("one part", "sql", ("sql",)),
    ("two parts", "sql.columns", ("sql", "columns")),
    ("literal dot", r"os.v1\.2.boot", ("os", "v1.2", "boot")),
    ("literal backslash", r"path\\.windows", ("path\\", "windows")),
    ("spaces and slashes are free", "long context.depth 0/100", ("long context", "depth 0/100")),
    ("unicode", "sprache.größe.数", ("sprache", "größe", "数")),
]
REFUSED = [
    ("leading dot", ".sql"),
    ("trailing dot", "sql."),
    ("doubled dot", "sql..columns"),
    ("blank part", "sql. .columns"),
    ("backslash at the end", "sql\\"),
    ("backslash before a letter", r"sql.\n"),
]


@pytest.mark.parametrize(("name", "label", "parts"), PARSED)
def test_label_is_split_at_unescaped_dots(name: str, label: str, parts: tuple[str, ...]) -> None:
    assert components.parse(label) == parts
    assert components.join(parts) == label


@pytest.mark.parametrize(("name", "label"), REFUSED)
def test_label_with_an_empty_part_or_stray_backslash_is_refused(name: str, label: str) -> None:
    with pytest.raises(ComponentError) as refused:
        components.parse(label)
    assert repr(label) in refused.value.message


def test_ancestors_go_from_parent_to_root() -> None:
    assert components.ancestors(r"a.b\.c.d") == (r"a.b\.c", "a", "")
    assert components.ancestors("") == ()
    assert components.parent("a.b") == "a"
    assert components.parent("a") == ""
    assert components.parent("") is None


def test_tree_holds_every_ancestor_and_lists_parents_first() -> None:
    assert components.tree(["sql.columns", "sql.table", "style"]) == {
        "": ("sql", "style"),
        "sql": ("sql.columns", "sql.table"),
        "sql.columns": (),
        "sql.table": (),
        "style": (),
    }
    assert components.tree([]) == {"": ()}


def test_node_holds_labels_by_parts_not_by_prefix_text() -> None:
    assert components.is_within("sql.columns", "sql")
    assert components.is_within("sql", "sql")
    assert components.is_within("anything", "")
    assert not components.is_within("sqlite.columns", "sql")
    assert not components.is_within("sql", "sql.columns")


def test_roll_up_averages_labels_below_and_keeps_a_nodes_own_score() -> None:
    assert components.roll_up({"sql.table": 1.0, "sql.columns": 0.0, "style": 1.0}) == {
        "": pytest.approx(2 / 3),
        "sql": 0.5,
        "sql.columns": 0.0,
        "sql.table": 1.0,
        "style": 1.0,
    }
    assert components.roll_up({"": 0.25, "a": 1.0}) == {"": 0.25, "a": 1.0}
    assert components.roll_up({}) == {}
