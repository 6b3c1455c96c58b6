"""The order of a run's items, and how it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evals.ordering import Item, ordered_items, share_of, slices


def test_the_order_is_the_seeds_and_not_the_rows() -> None:
    cases = [f"c{number}" for number in range(20)]
    assert ordered_items(cases, 2, 5) == ordered_items(list(reversed(cases)), 2, 5)
    assert ordered_items(cases, 2, 5) != ordered_items(cases, 2, 6)
    # Written down, because a run that is resumed by a newer release must find the same order.
    first = ["c3", "c15", "c14", "c6"]
    assert ordered_items(cases, 1, 5)[:4] == [Item(case_id=name, repeat=0) for name in first]


@given(st.integers(0, 200), st.integers(1, 9))
def test_slices_hold_each_position_once(n_items: int, n_slices: int) -> None:
    found = [p for part in slices(n_items, n_slices) for p in range(part.first, part.last + 1)]
    assert found == list(range(n_items))


@given(st.integers(1, 500), st.integers(1, 9))
def test_shares_add_up(total: int, n_parts: int) -> None:
    shares = [share_of(total, part, n_parts) for part in range(n_parts)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
