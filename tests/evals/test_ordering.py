"""The order of a run's items, and how it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evals.ordering import (
    Item,
    dealt,
    ordered_items,
    ordered_units,
    share_of,
    slices,
    unit_items,
    unit_slices,
)


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


def test_units_are_clusters_whole_and_the_order_is_the_keys() -> None:
    cases = [(f"c{n}", f"doc-{n // 3}" if n < 9 else "") for n in range(12)]
    units = ordered_units(cases, "5")
    assert units == ordered_units(list(reversed(cases)), "5") != ordered_units(cases, "6")
    assert sorted(units, key=len, reverse=True)[:3] == [u for u in units if len(u) == 3]
    assert sorted(case for unit in units for case in unit) == sorted(case for case, _ in cases)
    # Written down, because a run that is resumed by a newer release must find the same order.
    assert units[:3] == [("c3", "c4", "c5"), ("c11",), ("c0", "c1", "c2")]
    # A case may be called as a cluster is.
    assert len(ordered_units([("a", ""), ("b", "a"), ("c", "a")], "5")) == 2


@given(
    st.lists(st.sampled_from(["", "x", "y", "z"]), max_size=40), st.integers(1, 3),
    st.integers(1, 4),
)  # fmt: skip
def test_dealt_units_are_sliced_uncut_and_once(
    clusters: list[str], repeats: int, n_parts: int
) -> None:
    cases = [(f"c{number}", cluster) for number, cluster in enumerate(clusters)]
    units = ordered_units(cases, "1")
    parts = dealt(units, n_parts)
    items = unit_items([unit for part in parts for unit in part], repeats)
    assert len(set(items)) == len(items) == len(cases) * repeats
    found = unit_slices(parts, repeats)
    assert [p for part in found for p in range(part.first, part.last + 1)] == list(
        range(len(items))
    )
    held = [{items[at].case_id for at in range(s.first, s.last + 1)} for s in found]
    for unit in units:
        assert sum(bool(set(unit) & cases_of) for cases_of in held) == 1
