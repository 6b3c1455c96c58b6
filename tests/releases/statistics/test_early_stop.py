"""When a run may stop, and what a comparison of a stopped run says."""

import numpy as np
import pytest

from releases.statistics.betting_sequence import bounded_sequence, paired_delta_sequence
from releases.statistics.comparison import compare_nodes
from releases.statistics.early_stop import (
    NodeUnits,
    final_confidence,
    node_at,
    running_confidence,
    settled_after,
)
from releases.statistics.paired_cases import PairedCase
from releases.statistics.verdicts import Verdict

MARGIN = 0.02


def node(d, units=None, largest=1, lost=()):
    """A node whose cases differ by d; the cases at `lost` have no score of the candidate."""
    lows, highs = np.array(d, float), np.array(d, float)
    for at in lost:
        lows[at], highs[at] = -1.0, 1.0
    places = np.arange(len(lows)) if units is None else np.array(units)
    return NodeUnits(units=places, lows=lows, highs=highs, largest=largest)


def drawn(delta, disagree, n, seed=3):
    odds = [(disagree + delta) / 2, 1 - disagree, (disagree - delta) / 2]
    return np.random.default_rng(seed).choice([1.0, 0.0, -1.0], n, p=odds)


def test_five_percent_are_shared_by_the_looks_and_the_end():
    assert running_confidence(0.95) == pytest.approx(0.99)
    assert final_confidence(0.95) == pytest.approx(0.96)
    with pytest.raises(ValueError, match="confidence"):
        running_confidence(1.5)


@pytest.mark.parametrize(
    ("delta", "verdict"),
    [(-0.18, Verdict.REGRESSION), (0.1, Verdict.NON_INFERIOR), (0.0, None), (-0.02, None)],
)
def test_a_node_clears_when_it_lies_wholly_on_one_side(delta, verdict):
    found = node(drawn(delta, 0.2, 1_000))
    at = settled_after({"": found}, MARGIN)
    if verdict is None:
        assert at is None
        return
    assert 10 <= at < 1_000
    told = node_at(found, at, MARGIN)
    assert (told.n, told.n_units, told.verdict) == (at, at, verdict)
    before = node_at(found, at - 1, MARGIN)
    assert before.lo <= -MARGIN <= before.hi


def test_the_slowest_node_decides_and_the_quick_one_stays_cleared():
    quick, slow = node(drawn(-0.3, 0.4, 2_000)), node(drawn(-0.1, 0.15, 2_000))
    alone = [settled_after({"a": one}, MARGIN) for one in (quick, slow)]
    assert alone[0] < alone[1] == settled_after({"a": quick, "b": slow}, MARGIN)
    assert settled_after({"a": quick, "b": node(drawn(-0.01, 0.1, 50))}, MARGIN) is None


def test_the_answer_does_not_depend_on_when_it_is_asked():
    d = drawn(-0.15, 0.3, 1_000)
    at = settled_after({"": node(d)}, MARGIN)
    for n in (at, at + 1, at + 137, 1_000):
        assert settled_after({"": node(d[:n])}, MARGIN) == at
    assert settled_after({"": node(d[: at - 1])}, MARGIN) is None


def test_missing_cases_count_against_either_side():
    d = drawn(-0.3, 0.4, 300)
    at = settled_after({"": node(d)}, MARGIN)
    later = settled_after({"": node(d, lost=range(0, at, 10))}, MARGIN)
    assert later is None or later > at
    # Errors alone can prove nothing, however many there are.
    assert settled_after({"": node(np.zeros(500), lost=range(500))}, MARGIN) is None
    good = node(drawn(0.3, 0.4, 400), lost=range(0, 400, 3))
    assert settled_after({"": good}, MARGIN) is None


def test_clusters_count_as_one_look_and_their_size_is_that_of_the_suite():
    d = np.repeat(drawn(-0.4, 0.5, 120), 3)
    units = np.repeat(np.arange(120), 3)
    at = settled_after({"": node(d, units, largest=3)}, MARGIN)
    alone = settled_after({"": node(drawn(-0.4, 0.5, 120))}, MARGIN)
    # Copies of a case tell nothing new.
    assert at == alone
    wider = settled_after({"": node(d, units, largest=6)}, MARGIN)
    assert wider is None or wider >= at
    with pytest.raises(ValueError, match="largest: is 2, but a cluster has 3"):
        settled_after({"": node(d, units, largest=2)}, MARGIN)


def test_ten_cases_in_five_units_are_the_least():
    units = np.repeat(np.arange(4), 30)
    assert settled_after({"": node(-np.ones(120), units, largest=30)}, MARGIN) is None
    assert settled_after({"": node(-np.ones(9))}, MARGIN) is None
    assert settled_after({"": node(-np.ones(60))}, MARGIN) >= 10


def test_garbage_is_refused_by_name():
    for margin in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="margin"):
            settled_after({"": node(np.zeros(20))}, margin)
    with pytest.raises(ValueError, match="nodes"):
        settled_after({}, MARGIN)


def test_the_running_interval_is_the_intersection_of_all_looks():
    d = drawn(-0.05, 0.3, 400)
    looks = [paired_delta_sequence(d[:n], 0.99) for n in range(1, 401)]
    running = paired_delta_sequence(d, 0.99, running=True)
    assert running.lo == pytest.approx(max(look.lo for look in looks), abs=1e-9)
    assert running.hi == pytest.approx(min(look.hi for look in looks), abs=1e-9)
    found = bounded_sequence((d + 1) / 2, confidence=0.99, running=True)
    assert found.p_below(found.interval.hi) == pytest.approx(0.01, rel=1e-6)
    with pytest.raises(ValueError, match="running: must be true or false"):
        paired_delta_sequence(d, running="yes")


def cases(d, lost=()):
    base = [(0.0, 1.0) if x > 0 else (1.0, 0.0) if x < 0 else (1.0, 1.0) for x in d]
    return [
        PairedCase(case_id=str(at), candidate=() if at in lost else (ours,), baseline=(theirs,))
        for at, (theirs, ours) in enumerate(base)
    ]


def test_a_stopped_comparison_says_what_the_looks_have_proven():
    d = drawn(-0.18, 0.2, 1_000)
    at = settled_after({"": node(d)}, MARGIN)
    made = compare_nodes(
        {"": cases(d[:at])}, suite_name="sql", margin=MARGIN, confidence=0.99, largest={"": 1}
    )[""]
    sequence = paired_delta_sequence(d[:at], 0.99, running=True)
    assert (made.lo, made.hi) == (sequence.lo, sequence.hi)
    assert (made.method, made.verdict) == ("anytime", "regression")
    assert made.p_regression < 0.005
    assert f"99% anytime CI {100 * made.lo:+.1f}..{100 * made.hi:+.1f}, {at} cases" in made.sentence
    assert made.sentence.endswith("regression beyond the 2-pt margin: blocks")


def test_missing_cases_of_a_stopped_comparison_stay_in_their_place():
    d = drawn(-0.4, 0.5, 200)
    lost = {3, 90}
    made = compare_nodes(
        {"": cases(d, lost)}, suite_name="sql", margin=MARGIN, confidence=0.99, largest={"": 1}
    )[""]
    assert (made.n, made.n_missing, made.verdict) == (198, 2, "regression")
    observed = [x for at, x in enumerate(d) if at not in lost]
    assert made.lo == paired_delta_sequence(observed, 0.99, running=True).lo


def test_largest_names_every_node():
    for largest in ({}, {"": 1, "x": 1}):
        with pytest.raises(ValueError, match="largest"):
            compare_nodes({"": cases([0.0])}, suite_name="s", margin=0.0, largest=largest)


def test_looks_that_exclude_each_other_are_invalid():
    d = np.concatenate([np.ones(200), -np.ones(3_000)])
    made = compare_nodes(
        {"": cases(d)}, suite_name="sql", margin=MARGIN, confidence=0.99, largest={"": 1}
    )[""]
    assert made.verdict == "invalid"
    assert "the difference changed while the run went on" in made.sentence


def test_a_large_suite_is_looked_at_within_a_second():
    import time

    rng = np.random.default_rng(1)
    nodes = {
        str(at): node(rng.choice([-1.0, 0.0, 1.0], 10_000, p=[0.07, 0.86, 0.07]))
        for at in range(50)
    }
    began = time.process_time()
    assert settled_after(nodes, 0.002) is None
    assert time.process_time() - began < 1.0
