"""Comparison of two checkpoints on every node of a suite: numbers, verdicts, sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from releases.statistics import inputs, planning
from releases.statistics.multiplicity import holm
from releases.statistics.node_verdict import ROOT, JudgedNode, judge_node
from releases.statistics.paired_cases import CaseTable, Method, PairedCase, case_table
from releases.statistics.verdicts import Verdict
from releases.statistics.wording import ComparedFacts, comparison_sentence

MOST_CASES = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeComparison:
    """Candidate against baseline on one node, scores in 0..1, positive differences better."""

    node: str
    """Label of the node; empty for the root."""
    n: int
    """Cases that both arms answered."""
    n_clusters: int
    """Clusters of those cases; equal to n when none are named."""
    n_missing: int
    """Shared cases that at least one arm lost to infrastructure failures."""
    n_unshared: int
    """Cases that only one of the two runs had."""
    method: Method | None
    """How the interval was made; None without a case."""
    candidate_mean: float | None
    """The candidate's mean over the n cases; None without a case."""
    baseline_mean: float | None
    """The baseline's mean over the n cases; None without a case."""
    delta: float | None
    """Candidate minus baseline; None without a case."""
    lo: float | None
    """Lower end of the interval; None with fewer than two clusters."""
    hi: float | None
    """Upper end of the interval; None with fewer than two clusters."""
    se: float | None
    """Cluster-robust standard error with the sparse guard; None with fewer than two clusters."""
    p_better: float | None
    """One-sided p for "better than the baseline"."""
    p_noninferior: float | None
    """One-sided p for "within the margin"."""
    p_worse: float | None
    """One-sided p for "worse than the baseline"."""
    p_regression: float | None
    """One-sided p for "worse by more than the margin"."""
    p_worse_holm: float | None
    """p_worse after Holm over the eligible slices; raw for the root; None when not eligible."""
    p_regression_holm: float | None
    """p_regression after Holm over the eligible slices; raw for the root; None as above."""
    mde: float | None
    """Smallest true difference found with 80% power; for a slice at its Holm share of alpha."""
    cases_to_settle: int | None
    """Cases in all that would settle it against the margin; None when settled or uncountable."""
    is_hopeless: bool
    """Whether settling it takes over 20 times the cases at hand: it won't settle here."""
    verdict: Verdict
    """Verdict of the interval and the missing cases, uncorrected: for the root and must-prove."""
    corrected_verdict: Verdict
    """Verdict after Holm: for slices that only guard; the same as `verdict` for the root."""
    doubt: str | None
    """Why the verdict is weaker than the interval, as a clause; None when it is not."""
    sentence: str
    """One plain sentence on the corrected verdict."""


def compare_nodes(
    nodes: Mapping[str, Sequence[PairedCase]],
    *,
    suite_name: str,
    margin: float,
    n_unshared: Mapping[str, int] | None = None,
    confidence: float = 0.95,
    largest: Mapping[str, int] | None = None,
) -> dict[str, NodeComparison]:
    """Compare the candidate with the baseline on every node, in the order given.

    `nodes` maps a label ("" is the root, shown as the suite's name) to the cases both runs share;
    `n_unshared` counts, per node, the cases only one run has. `margin` is in score units. Tango's
    interval for single pass/fail samples without clusters, CR2-t with the sparse guard otherwise.
    Verdicts are capped by missing cases (over 5%, uneven, or able to change them) and invalid when
    fewer than 80% of the cases are shared. With `largest`, the size of each node's largest cluster
    in the whole suite, the cases come in the random order of a run that was stopped by looking at
    it, and every interval is anytime-valid. Raises ValueError naming the field.
    """
    sizes = _largest(nodes, largest)
    return compare_tables(
        {node: case_table(node, cases, sizes.get(node)) for node, cases in nodes.items()},
        suite_name=suite_name,
        margin=margin,
        n_unshared=n_unshared,
        confidence=confidence,
    )


def compare_tables(
    tables: Mapping[str, CaseTable],
    *,
    suite_name: str,
    margin: float,
    n_unshared: Mapping[str, int] | None = None,
    confidence: float = 0.95,
) -> dict[str, NodeComparison]:
    """As compare_nodes, from cases that are averaged already: arrays of scores in 0..1 a node."""
    limit = inputs.number("margin", margin, at_least=0.0, at_most=1.0)
    level = inputs.confidence_level(confidence)
    unshared = n_unshared or {}
    stray = sorted(set(unshared) - set(tables))
    if stray:
        raise ValueError(f"n_unshared: there is no node {stray[0]!r}")
    judged = [
        judge_node(node, table, unshared.get(node, 0), limit, level)
        for node, table in tables.items()
    ]
    family = _holm_over_slices(judged)
    return {one.node: _node_comparison(one, family, suite_name, limit, level) for one in judged}


def _largest(nodes: Mapping[str, object], largest: Mapping[str, int] | None) -> dict[str, int]:
    if largest is None:
        return {}
    if set(largest) != set(nodes):
        raise ValueError("largest: needs a number for every node, and for nothing else")
    return {node: inputs.count("largest", size, at_least=1) for node, size in largest.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _HolmFamily:
    """Adjusted p-values of the slices checked together, by node."""

    p_worse: dict[str, float]
    p_regression: dict[str, float]


def _holm_over_slices(judged: Sequence[JudgedNode]) -> _HolmFamily:
    slices = [one for one in judged if one.is_eligible_slice()]
    worse = holm([_known(one, one.estimate.p_worse) for one in slices]).adjusted
    beyond = holm([_known(one, one.estimate.p_regression) for one in slices]).adjusted
    return _HolmFamily(
        p_worse={one.node: p for one, p in zip(slices, worse, strict=True)},
        p_regression={one.node: p for one, p in zip(slices, beyond, strict=True)},
    )


def _known(one: JudgedNode, p: float | None) -> float:
    if p is None:
        raise ValueError(f"p: node {one.node!r} has enough clusters but no p-value")
    return p


def _node_comparison(
    one: JudgedNode, family: _HolmFamily, suite_name: str, margin: float, confidence: float
) -> NodeComparison:
    estimate = one.estimate
    n_settle, is_hopeless = _settling(one, margin, confidence)
    corrected, doubt = _after_holm(one, family, (1 - confidence) / 2)
    candidate_mean, baseline_mean = one.table.means()
    return NodeComparison(
        node=one.node,
        n=estimate.n,
        n_clusters=estimate.n_clusters,
        n_missing=len(one.table.candidate) - estimate.n,
        n_unshared=one.n_unshared,
        method=estimate.method,
        candidate_mean=candidate_mean,
        baseline_mean=baseline_mean,
        delta=estimate.delta,
        lo=estimate.lo,
        hi=estimate.hi,
        se=estimate.se,
        p_better=estimate.p_better,
        p_noninferior=estimate.p_noninferior,
        p_worse=estimate.p_worse,
        p_regression=estimate.p_regression,
        p_worse_holm=_adjusted(one, family.p_worse, estimate.p_worse),
        p_regression_holm=_adjusted(one, family.p_regression, estimate.p_regression),
        mde=_mde(one, family, confidence),
        cases_to_settle=n_settle,
        is_hopeless=is_hopeless,
        verdict=one.verdict,
        corrected_verdict=corrected,
        doubt=doubt,
        sentence=_sentence(one, suite_name, margin, confidence, corrected, doubt),
    )


def _sentence(
    one: JudgedNode,
    suite_name: str,
    margin: float,
    confidence: float,
    corrected: Verdict,
    doubt: str | None,
) -> str:
    n_settle, is_hopeless = _settling(one, margin, confidence)
    facts = ComparedFacts(
        name=one.node or suite_name,
        n=one.estimate.n,
        n_clusters=one.estimate.n_clusters,
        delta=one.estimate.delta,
        lo=one.estimate.lo,
        hi=one.estimate.hi,
        margin=margin,
        verdict=corrected,
        confidence=confidence,
        cases_to_settle=n_settle,
        is_hopeless=is_hopeless,
        doubt=doubt,
        is_anytime=one.table.largest is not None,
    )
    return comparison_sentence(facts)


def _after_holm(one: JudgedNode, family: _HolmFamily, alpha: float) -> tuple[Verdict, str | None]:
    if one.node not in family.p_worse:
        return one.verdict, one.doubt
    n_slices = len(family.p_worse)
    is_worse = family.p_worse[one.node] < alpha
    if one.verdict == Verdict.REGRESSION and family.p_regression[one.node] >= alpha:
        doubt = f"beyond the margin alone, not after Holm over {n_slices} slices"
        return (Verdict.WORSE if is_worse else Verdict.INCONCLUSIVE), doubt
    if one.verdict == Verdict.WORSE and not is_worse:
        return Verdict.INCONCLUSIVE, f"worse alone, not after Holm over {n_slices} slices"
    return one.verdict, one.doubt


def _adjusted(one: JudgedNode, family: Mapping[str, float], raw: float | None) -> float | None:
    return raw if one.node == ROOT else family.get(one.node)


def _mde(one: JudgedNode, family: _HolmFamily, confidence: float) -> float | None:
    if one.estimate.se is None:
        return None
    n_slices = len(family.p_worse) if one.node in family.p_worse else 1
    return planning.z_sum(confidence, planning.POWER, n_slices) * one.estimate.se


def _settling(one: JudgedNode, margin: float, confidence: float) -> tuple[int | None, bool]:
    estimate = one.estimate
    if one.table.largest is not None:
        # A stopped run is not planned on from: a new one is started, with another order.
        return None, False
    open_to_more = one.verdict in (Verdict.INCONCLUSIVE, Verdict.WORSE) and one.doubt is None
    if not open_to_more or estimate.se is None or estimate.delta is None:
        return None, False
    needed = planning.cases_to_settle(
        estimate.n, estimate.se, estimate.delta, margin, confidence, planning.POWER
    )
    is_hopeless = needed > planning.HOPELESS_FACTOR * estimate.n
    return (None if needed > MOST_CASES else int(needed)), is_hopeless
