"""What pipeline files may name of suites, and what gates on them can settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evals import components
from evals.models import SuiteVersion
from evals.selectors import health, settling, suites
from infra import clock
from infra.errors import NotFound
from releases.policy.advice import Question
from releases.policy.names import Mention, What
from releases.statistics import planning
from releases.statistics.verdicts import MIN_CASES, MIN_CLUSTERS

DEFAULT_CONFIDENCE = 0.95
Told = tuple[str, dict[str, Any]]


class SuitePolicy:
    """Suites and their nodes; the eval kinds."""

    names = frozenset({What.SUITE, What.NODE})

    def __init__(self) -> None:
        self.kinds = frozenset(_ADVISERS)

    def problem(self, mention: Mention) -> str:
        """Empty, or what is there instead; a node of an unknown suite is not looked for."""
        if mention.what is What.SUITE:
            return _unknown_suite(mention.name)
        version = _version(mention.of)
        if version is None:
            return ""
        known = components.tree(version.components)
        if mention.name in known:
            return ""
        labels = ", ".join(label for label in known if label)
        return f"{version} has no node {mention.name!r}; its nodes: {labels}"

    def settles(self, question: Question) -> tuple[str, Mapping[str, Any]]:
        """From past comparisons and runs of the suite; what is assumed without any is said."""
        version = _version(str(question.gate.options["suite"]))
        if version is None:
            return "", {}
        sentence, numbers = _ADVISERS[question.gate.kind](version, question.gate.options)
        return f"{version}: {sentence}.", {"suite": str(version), **numbers}


def _version(reference: str) -> SuiteVersion | None:
    try:
        return suites.version_named(reference)
    except NotFound:
        return None


def _unknown_suite(reference: str) -> str:
    try:
        suites.version_named(reference)
    except NotFound as unknown:
        return unknown.message
    return ""


def _no_regression(version: SuiteVersion, options: Mapping[str, Any]) -> Told:
    margin, confidence = float(options["margin"]), _confidence(options)
    labels = dict.fromkeys([components.ROOT, *options.get("must_prove", ())])
    asked = [(label, margin, "") for label in labels]
    if "anchor" in options:
        name, own = options["anchor"]["checkpoint"], float(options["anchor"]["margin"])
        asked.append((components.ROOT, own, f" against the anchor {name}"))
    told = [
        _margin(settling.node_facts(version, label), limit, confidence, whom)
        for label, limit, whom in asked
    ]
    return _joined(told)


def _margin(node: settling.NodeFacts, margin: float, confidence: float, whom: str) -> Told:
    numbers: dict[str, Any] = {"node": node.label, "n": node.n, "margin": margin}
    few = _too_few(node)
    if few:
        return few, numbers
    if margin == 0:
        sentence = f"{_cases(node)}: no number of cases settles a margin of 0{whom}"
        return f"{sentence} for a checkpoint that is equal", numbers
    wanted = planning.cases_for_noninferiority(margin, 0.0, node.variance, confidence=confidence)
    chance = planning.chance_to_pass(node.n, node.variance, margin, confidence=confidence)
    smallest = planning.minimum_detectable_effect(node.n, node.variance, confidence=confidence).mde
    numbers |= {
        "variance": node.variance,
        "cases_needed": wanted.n,
        "equal_passes": chance,
        "settles_margin": smallest,
    }
    points = f"a {_points(margin)}-point margin{whom}"
    often = f"an equal checkpoint passes {_times(chance)}"
    if wanted.n > node.n:
        can = f"{_cases(node)} settle {_points(smallest)} points"
        sentence = f"{_cases(node)} can't settle {points}: {wanted.n:,} would ({often}; {can})"
    else:
        sentence = f"{_cases(node)} settle {points} ({wanted.n:,} would do; {often})"
    return f"{sentence}. {node.basis}", numbers


def _improvement(version: SuiteVersion, options: Mapping[str, Any]) -> Told:
    labels = list(dict.fromkeys(options.get("nodes") or [components.ROOT]))
    told = []
    for label in labels:
        node = settling.node_facts(version, label)
        numbers: dict[str, Any] = {"node": label, "n": node.n}
        few = _too_few(node)
        if few:
            told.append((few, numbers))
            continue
        gain = planning.minimum_detectable_effect(
            node.n, node.variance, n_slices=len(labels), confidence=_confidence(options)
        ).mde
        numbers |= {"variance": node.variance, "finds_gain": gain}
        sentence = f"{_cases(node)} find a gain of {_points(gain)} points 4 times in 5"
        told.append((f"{sentence}. {node.basis}", numbers))
    return _joined(told)


def _floor(version: SuiteVersion, options: Mapping[str, Any]) -> Told:
    labels = dict.fromkeys([options.get("node", ""), *options.get("must_prove", ())])
    floor, confidence = float(options["at_least"]), _confidence(options)
    told = []
    for label in labels:
        node = settling.node_facts(version, label)
        numbers: dict[str, Any] = {"node": label, "n": node.n, "at_least": floor}
        few = _too_few(node)
        if few:
            told.append((few, numbers))
            continue
        reach = settling.clears(floor, node.n, confidence)
        numbers["clears_from"] = reach
        if reach is None:
            sentence = f"{_cases(node)} can't put any checkpoint above a floor of {_share(floor)}"
        else:
            sentence = (
                f"{_cases(node)} put a checkpoint truly at {_share(reach)} or more above the floor "
                f"of {_share(floor)} 4 times in 5"
            )
        told.append((sentence, numbers))
    return _joined(told)


def _fresh(version: SuiteVersion, options: Mapping[str, Any]) -> Told:
    state, reason = health.suite_state(version.suite, clock.now().date())
    review_by = version.suite.review_by.isoformat()
    return f"the suite is {state.value}: {reason}", {"state": state.value, "review_by": review_by}


_ADVISERS: Mapping[str, Callable[[SuiteVersion, Mapping[str, Any]], Told]] = {
    "eval_no_regression": _no_regression,
    "eval_improvement": _improvement,
    "eval_floor": _floor,
    "eval_fresh": _fresh,
}


def _joined(told: list[Told]) -> Told:
    """The first node's numbers on top, every node's below `nodes`."""
    sentences = "; ".join(dict.fromkeys(sentence for sentence, _ in told))
    return sentences, {**told[0][1], "nodes": [numbers for _, numbers in told]}


def _confidence(options: Mapping[str, Any]) -> float:
    return float(options.get("confidence", DEFAULT_CONFIDENCE))


def _too_few(node: settling.NodeFacts) -> str:
    if node.n >= MIN_CASES and node.n_clusters >= MIN_CLUSTERS:
        return ""
    needed = f"{MIN_CASES} in {MIN_CLUSTERS} clusters at least"
    return f"{_cases(node)} in {node.n_clusters} clusters are too few to judge ({needed})"


def _cases(node: settling.NodeFacts) -> str:
    count = f"{node.n:,} cases" if node.n != 1 else "1 case"
    return f"{count} of {node.label}" if node.label else count


def _points(value: float) -> str:
    return f"{100 * value:.2g}" if value < 0.1 else f"{100 * value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.3g}%"


def _times(chance: float) -> str:
    """A chance as people count it, without ever rounding to never or always."""
    if chance < 0.01:
        return "less than once in 100 times"
    if chance > 0.99:
        return "more than 99 times in 100"
    times = round(100 * chance)
    return f"{times} times in 100" if times != 1 else "once in 100 times"
