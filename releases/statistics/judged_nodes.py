"""Verdicts of compared nodes made again from judge-corrected differences, Holm included."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from releases.statistics import planning
from releases.statistics.judged import Judged
from releases.statistics.multiplicity import holm
from releases.statistics.verdicts import PASSING, Verdict, is_sufficient, verdict_of
from releases.statistics.wording import ComparedFacts, comparison_sentence

ROOT = ""
Node = Mapping[str, Any]
_UNJUDGED = frozenset({Verdict.INSUFFICIENT, Verdict.INVALID})


def judged_again(
    nodes: Mapping[str, Node],
    results: Mapping[str, Judged],
    missing: Mapping[str, str],
    *,
    suite_name: str,
    margin: float,
    confidence: float,
) -> dict[str, dict[str, Any]]:
    """Return the nodes with those of `results` corrected, and those of `missing` insufficient.

    `nodes` are as gates read them. Cases lost to errors are put at either end of the scale: a
    verdict that this changes is inconclusive. Holm covers all eligible slices anew.
    """
    found = {label: dict(node) for label, node in nodes.items()}
    for label, sentence in missing.items():
        if label in found:
            found[label] = _without_labels(found[label], sentence)
    for label, result in results.items():
        if label in found and Verdict(found[label]["verdict"]) not in _UNJUDGED:
            found[label] = _corrected(found[label], result, margin)
    _adjust(found)
    for label in results:
        if label in found and Verdict(found[label]["verdict"]) not in _UNJUDGED:
            _conclude(found, label, results[label], suite_name, margin, confidence)
    return found


def _without_labels(node: Node, sentence: str) -> dict[str, Any]:
    empty = ("delta", "lo", "hi", "p_better", "p_regression", "p_worse", "mde", "cases_to_settle")
    verdict = Verdict.INSUFFICIENT.value
    return {
        **node,
        **dict.fromkeys(empty),
        "verdict": verdict,
        "corrected_verdict": verdict,
        "is_hopeless": False,
        "doubt": sentence,
        "sentence": f"{sentence}.",
    }


def _corrected(node: Node, result: Judged, margin: float) -> dict[str, Any]:
    verdict, doubt = _verdict(node, result, margin)
    return {
        **node,
        "delta": result.est,
        "lo": result.lo,
        "hi": result.hi,
        "p_better": result.p_above(0.0),
        "p_worse": result.p_below(0.0),
        "p_regression": result.p_below(-margin),
        "cases_to_settle": None,
        "is_hopeless": False,
        "verdict": verdict.value,
        "doubt": doubt,
    }


def _verdict(node: Node, result: Judged, margin: float) -> tuple[Verdict, str | None]:
    """Of the interval; no better than before where missing cases had weakened it."""
    verdict = verdict_of(result.lo, result.hi, margin)
    doubt, n, n_missing = node["doubt"], node["n"], node["n_missing"]
    if doubt and node["verdict"] == Verdict.INCONCLUSIVE.value and verdict in PASSING:
        return Verdict.INCONCLUSIVE, doubt
    if not n_missing:
        return verdict, None
    whole, lost = n + n_missing, n_missing
    worst = verdict_of((result.lo * n - lost) / whole, (result.hi * n - lost) / whole, margin)
    best = verdict_of((result.lo * n + lost) / whole, (result.hi * n + lost) / whole, margin)
    if worst == best == verdict:
        return verdict, doubt
    return Verdict.INCONCLUSIVE, doubt or f"{lost} missing cases could change it"


def _adjust(found: dict[str, dict[str, Any]]) -> None:
    """Holm over every eligible slice; raw at the root."""
    slices = [
        label
        for label, node in found.items()
        if label != ROOT
        and Verdict(node["verdict"]) not in _UNJUDGED
        and is_sufficient(node["n"], node["n_clusters"])
    ]
    for name in ("p_regression", "p_worse"):
        adjusted = holm([found[label][name] for label in slices]).adjusted
        for node in found.values():
            node[f"adjusted_{name}"] = None
        for label, value in zip(slices, adjusted, strict=True):
            found[label][f"adjusted_{name}"] = value
        if ROOT in found:
            found[ROOT][f"adjusted_{name}"] = found[ROOT][name]


def _conclude(
    found: dict[str, dict[str, Any]],
    label: str,
    result: Judged,
    suite_name: str,
    margin: float,
    confidence: float,
) -> None:
    """The verdict after Holm, what it could have seen, and the sentence."""
    node = found[label]
    n_slices = sum(
        name != ROOT and one["adjusted_p_worse"] is not None for name, one in found.items()
    )
    own, alpha = Verdict(node["verdict"]), (1 - confidence) / 2
    final = own if label == ROOT else _after_holm(node, own, alpha)
    facts = ComparedFacts(
        name=label or suite_name,
        n=node["n"],
        n_clusters=node["n_clusters"],
        delta=result.est,
        lo=result.lo,
        hi=result.hi,
        margin=margin,
        verdict=final,
        confidence=confidence,
        doubt=node["doubt"],
    )
    if final != own:
        facts = replace(facts, doubt=f"not after Holm over {n_slices} slices")
    shares = 1 if label == ROOT else max(1, n_slices)
    node["mde"] = planning.z_sum(confidence, planning.POWER, shares) * result.se
    node["corrected_verdict"] = final.value
    node["sentence"] = comparison_sentence(facts)


def _after_holm(node: Node, own: Verdict, alpha: float) -> Verdict:
    is_worse = node["adjusted_p_worse"] is not None and node["adjusted_p_worse"] < alpha
    if own is Verdict.REGRESSION and (node["adjusted_p_regression"] or 0.0) >= alpha:
        return Verdict.WORSE if is_worse else Verdict.INCONCLUSIVE
    if own is Verdict.WORSE and not is_worse:
        return Verdict.INCONCLUSIVE
    return own
