import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.statistics.comparison import compare_nodes
from releases.statistics.paired import paired_repeats
from releases.statistics.paired_cases import Method, PairedCase
from releases.statistics.tango import paired_binary
from releases.statistics.verdicts import Verdict


def cases(only_candidate=0, only_baseline=0, both=0, neither=0, prefix="c"):
    scores = [((1.0,), (0.0,))] * only_candidate + [((0.0,), (1.0,))] * only_baseline
    scores += [((1.0,), (1.0,))] * both + [((0.0,), (0.0,))] * neither
    return [
        PairedCase(case_id=f"{prefix}{i}", candidate=ours, baseline=theirs)
        for i, (ours, theirs) in enumerate(scores)
    ]


def lost(n, candidate=(), baseline=(), prefix="lost"):
    return [
        PairedCase(case_id=f"{prefix}{i}", candidate=candidate, baseline=baseline) for i in range(n)
    ]


def compare(nodes, margin=0.02, **options):
    return compare_nodes(nodes, suite_name="sql", margin=margin, **options)


def test_plain_pass_fail_uses_tango():
    result = compare({"": cases(9, 26, 100, 45)}, margin=0.03)[""]
    reference = paired_binary(9, 26, 180, 0.03)
    assert (result.method, result.n, result.n_clusters) == (Method.TANGO, 180, 180)
    assert (result.delta, result.lo, result.hi) == pytest.approx(
        (reference.delta, reference.lo, reference.hi)
    )
    assert (result.candidate_mean, result.baseline_mean) == pytest.approx((109 / 180, 126 / 180))
    assert result.p_noninferior == pytest.approx(0.977783, rel=1e-5)
    assert result.p_regression == pytest.approx(1 - 0.977783, rel=1e-4)
    assert result.verdict == Verdict.REGRESSION
    assert result.sentence == (
        "sql: -9.4 pts (95% CI -16.1..-3.2, 180 cases), regression beyond the 3-pt margin: blocks"
    )


def test_repeats_use_the_robust_interval():
    table = [
        PairedCase(case_id=str(i), candidate=(i % 2, 1.0), baseline=(0.0, i % 3 / 2, 1.0))
        for i in range(30)
    ]
    result = compare({"": table})[""]
    reference = paired_repeats([c.candidate for c in table], [c.baseline for c in table])
    assert result.method == Method.CR2
    assert (result.lo, result.hi, result.se) == pytest.approx(
        (reference.lo, reference.hi, reference.se)
    )


def test_a_named_cluster_uses_the_robust_interval():
    table = [
        PairedCase(case_id=str(i), candidate=(float(i % 2),), baseline=(0.0,), cluster=str(i // 4))
        for i in range(40)
    ]
    result = compare({"": table})[""]
    assert (result.method, result.n_clusters) == (Method.CR2, 10)


def test_an_unsettled_comparison_says_what_would_settle_it():
    result = compare({"rows": cases(22, 27, 300, 251)})["rows"]
    assert result.verdict == Verdict.INCONCLUSIVE
    assert result.cases_to_settle == pytest.approx(4706, abs=10)
    assert not result.is_hopeless
    assert result.sentence.endswith("can't tell at 600 cases; about 4,700 would settle it: holds")


def test_a_hopeless_comparison_says_so():
    result = compare({"": cases(20, 32, 300, 248)})[""]
    assert result.delta == pytest.approx(-0.02)
    assert result.verdict == Verdict.INCONCLUSIVE
    assert result.is_hopeless
    assert "won't settle here" in result.sentence


def test_a_settled_comparison_needs_no_more_cases():
    result = compare({"": cases(0, 0, 900)})[""]
    assert (result.verdict, result.cases_to_settle) == (Verdict.NON_INFERIOR, None)


def test_detectable_effect_follows_the_standard_error():
    result = compare({"": cases(22, 27, 300, 251)})[""]
    assert result.mde == pytest.approx(2.801585 * result.se, rel=1e-6)
    assert result.mde == pytest.approx(2.801585 * math.sqrt(0.0816 / 600), rel=2e-3)


def test_holm_covers_the_eligible_slices_and_not_the_root():
    nodes = {"": cases(2, 40, 200, 200), "small": cases(0, 8)}
    nodes |= {f"s{i}": cases(3, 9, 20, 8) for i in range(4)}
    result = compare(nodes)
    assert result[""].p_worse_holm == result[""].p_worse
    assert result["s0"].p_worse_holm == pytest.approx(min(1, 4 * result["s0"].p_worse))
    assert result["small"].p_worse_holm is None
    assert result["small"].sentence == "small: 8 cases, too few to judge"


def test_a_slice_that_only_looks_bad_alone_is_not_called_after_holm():
    alone = compare({"s0": cases(2, 12, 20, 6)})["s0"]
    among = compare({f"s{i}": cases(2, 12, 20, 6) for i in range(12)})["s0"]
    assert alone.verdict == alone.corrected_verdict == Verdict.REGRESSION
    assert among.verdict == Verdict.REGRESSION
    assert among.corrected_verdict == Verdict.INCONCLUSIVE
    assert "beyond the margin alone, not after Holm over 12 slices" in among.sentence


def test_a_strong_regression_survives_holm():
    nodes = {f"s{i}": cases(5, 5, 20, 10) for i in range(11)} | {"bad": cases(0, 30, 5, 5)}
    assert compare(nodes)["bad"].corrected_verdict == Verdict.REGRESSION


def test_over_five_per_cent_missing_cannot_pass():
    result = compare({"": cases(80, 0, 10, 4) + lost(6)})[""]
    assert (result.n, result.n_missing) == (94, 6)
    assert result.lo > 0
    assert result.verdict == Verdict.INCONCLUSIVE
    assert "6 missing cases of 100 (6.0%)" in result.sentence


def test_a_few_missing_cases_that_change_nothing_pass():
    assert compare({"": cases(80, 0, 10, 8) + lost(2)})[""].verdict == Verdict.BETTER


def test_missing_cases_that_could_change_the_verdict_leave_it_open():
    full = compare({"": cases(8, 1, 60, 31)})[""]
    holed = compare({"": cases(8, 1, 60, 31) + lost(4, baseline=(1.0,))})[""]
    assert full.verdict == Verdict.BETTER
    assert holed.verdict == Verdict.INCONCLUSIVE
    assert "4 missing cases could change it" in holed.sentence


def test_one_arm_missing_more_cannot_pass():
    table = cases(300, 0, 10, 8) + lost(6, baseline=(0.0,))
    result = compare({"": table})[""]
    assert result.verdict == Verdict.INCONCLUSIVE
    assert "the candidate is missing more cases than the other arm" in result.sentence


def test_a_regression_that_missing_cases_cannot_undo_still_blocks():
    result = compare({"": cases(0, 80, 10, 4) + lost(6)})[""]
    assert result.verdict == Verdict.REGRESSION
    assert result.sentence.endswith("6 missing cases of 100 (6.0%): blocks")


def test_fewer_than_80_per_cent_shared_is_invalid():
    assert compare({"": cases(80, 0)}, n_unshared={"": 20})[""].verdict == Verdict.BETTER
    result = compare({"": cases(80, 0)}, n_unshared={"": 21})[""]
    assert result.verdict == result.corrected_verdict == Verdict.INVALID
    assert result.sentence == ("sql: only 80 of 101 cases are in both runs: numbers not used")


def test_no_case_at_all_is_insufficient_and_never_zero():
    result = compare({"": [], "lost": lost(3)})
    for node in ("", "lost"):
        assert result[node].verdict == Verdict.INSUFFICIENT
        assert (result[node].delta, result[node].lo, result[node].candidate_mean) == (None,) * 3
    assert result["lost"].n_missing == 3


@pytest.mark.parametrize(
    "field, nodes, options",
    [
        ("candidate", {"": lost(1, (math.nan,), (1.0,))}, {}),
        ("baseline", {"": lost(1, (1.0,), (math.inf,))}, {}),
        ("candidate", {"": lost(1, (1.5,), (1.0,))}, {}),
        ("case_id", {"": lost(1) + lost(1)}, {}),
        ("margin", {"": cases(1, 1)}, {"margin": math.nan}),
        ("confidence", {"": cases(1, 1)}, {"confidence": 1.0}),
        ("n_unshared", {"": cases(1, 1)}, {"n_unshared": {"x": 1}}),
    ],
)
def test_bad_input_is_refused_by_name(field, nodes, options):
    with pytest.raises(ValueError, match=rf"^{field}"):
        compare(nodes, **options)


ARMS = st.tuples(*[st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=2)] * 2)


@settings(max_examples=60, deadline=None)
@given(arms=st.lists(ARMS, min_size=1, max_size=30), margin=st.sampled_from([0.0, 0.02, 0.2]))
def test_swapping_the_arms_negates_and_missing_never_strengthens(arms, margin):
    def table(first, second):
        return [
            PairedCase(case_id=str(i), candidate=tuple(arm[first]), baseline=tuple(arm[second]))
            for i, arm in enumerate(arms)
        ]

    result = compare({"": table(0, 1)}, margin=margin)[""]
    swapped = compare({"": table(1, 0)}, margin=margin)[""]
    if result.lo is not None:
        assert (result.lo, result.hi) == pytest.approx((-swapped.hi, -swapped.lo), abs=1e-8)
    if result.verdict in (Verdict.BETTER, Verdict.NON_INFERIOR):
        assert result.n_missing <= 0.05 * len(arms)
        assert result.lo > -margin
    if result.verdict == Verdict.REGRESSION:
        assert result.hi < -margin
