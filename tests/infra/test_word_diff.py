"""Two texts side by side: what differs is marked, and nothing is lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.word_diff import WordDiff, word_diff


def marked(found: WordDiff) -> tuple[str, str]:
    """Each side with what differs in brackets."""
    sides = (
        "".join(f"[{piece.text}]" if piece.changed else piece.text for piece in side)
        for side in (found.old, found.new)
    )
    return next(sides), next(sides)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("SELECT a FROM t", "SELECT b FROM t", ("SELECT [a] FROM t", "SELECT [b] FROM t")),
        ("the same", "the same", ("the same", "the same")),
        ("", "", ("", "")),
        ("", "new", ("", "[new]")),
        ("gone", "", ("[gone]", "")),
        ("a  b", "a b", ("a[  ]b", "a[ ]b")),
        (" ", " ", (" ", " ")),
        ("naïve café", "naïve cafés", ("naïve [café]", "naïve [cafés]")),
    ],
)
def test_what_differs_is_marked(old: str, new: str, expected: tuple[str, str]) -> None:
    assert marked(word_diff(old, new)) == expected


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.text(max_size=200))
def test_the_pieces_are_the_texts_again(old: str, new: str) -> None:
    found = word_diff(old, new)
    assert "".join(piece.text for piece in found.old) == old
    assert "".join(piece.text for piece in found.new) == new
    assert found.is_equal == (old == new)


def test_a_model_that_repeats_itself_does_not_stop_the_page() -> None:
    started = time.process_time()
    found = word_diff("so " * 100_000 + "a", "so " * 100_000 + "b")
    assert time.process_time() - started < 5
    assert not found.is_equal


def test_longer_texts_are_compared_by_lines() -> None:
    old = "\n".join(f"line {n} of it all" for n in range(400))
    found = word_diff(old, old.replace("line 7 of", "line 7 in"))
    assert [piece.text for piece in found.old if piece.changed] == ["line 7 of it all\n"]
