"""The cases of a component that moved, as a list to walk and the one that is looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.paginator import Page as PageOfRows
from django.core.paginator import Paginator

from evals.models import Comparison
from evals.outputs import Output
from evals.selectors.comparisons import PairedRuns
from evals.selectors.flipped import FlippedCase, Share, Side, Way, moved_cases, side_by_side
from infra.word_diff import WordDiff, word_diff

ON_A_PAGE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case in the list."""

    case_id: str
    delta: float
    way: Way


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOfShares:
    """One component of the case, as both answers were graded."""

    label: str
    baseline: Share | None
    candidate: Share | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCase:
    """The case that is looked at."""

    case: FlippedCase
    answers: WordDiff
    """Old: the baseline's answer; new: the candidate's."""
    shares: Sequence[PairOfShares]
    place: int | None
    """Its number in the list, from 1; None where it did not move, or another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The list, where one stands in it, and what lies on both sides."""

    counts: Mapping[Way, int]
    way: Way | None
    """Which way the listed cases moved; None: both, losses first."""
    word: str
    """What the listed cases' ids hold."""
    rows: PageOfRows
    shown: ShownCase | None
    before: str | None
    after: str | None

    @property
    def n(self) -> int:
        return int(self.rows.paginator.count)


def walk_of(asked: Mapping[str, str], comparison: Comparison, pairs: PairedRuns, node: str) -> Walk:
    """By the address's `way`, `find`, `case` and `page`; the first case when it names none."""
    moved = moved_cases(comparison, pairs, node)
    way = Way(asked["way"]) if asked.get("way") in set(Way) else None
    word = asked.get("find", "").strip()
    rows = [
        Row(case_id=case_id, delta=delta, way=one)
        for one in ((way,) if way else Way)
        for case_id, delta in zip(moved[one].case_ids, moved[one].deltas, strict=True)
        if word.casefold() in case_id.casefold()
    ]
    places = {row.case_id: at for at, row in enumerate(rows)}
    paginator = Paginator(rows, ON_A_PAGE)
    wanted = asked.get("case", "")
    at = places.get(wanted)
    page = paginator.get_page(asked.get("page") or (at or 0) // ON_A_PAGE + 1)
    if not wanted and rows:
        at = page.start_index() - 1
        wanted = rows[at].case_id
    return Walk(
        counts={one: len(moved[one]) for one in Way},
        way=way,
        word=word,
        rows=page,
        shown=_shown(comparison, node, wanted, at) if wanted else None,
        before=rows[at - 1].case_id if at else None,
        after=rows[at + 1].case_id if at is not None and at + 1 < len(rows) else None,
    )


def _shown(comparison: Comparison, node: str, case_id: str, at: int | None) -> ShownCase:
    case = side_by_side(comparison, node, case_id)
    return ShownCase(
        case=case,
        answers=word_diff(_text(case.baseline.output), _text(case.candidate.output)),
        shares=_pairs(case.baseline, case.candidate),
        place=None if at is None else at + 1,
    )


def _text(output: Output | None) -> str:
    """The answer as one text: its words, then its tool calls as JSON."""
    if output is None:
        return ""
    calls = list(output.tool_calls)
    told = json.dumps(calls, indent=2, ensure_ascii=False, sort_keys=True) if calls else ""
    return "\n".join(part for part in (output.text, told) if part)


def _pairs(baseline: Side, candidate: Side) -> list[PairOfShares]:
    theirs = {share.label: share for share in baseline.shares}
    ours = {share.label: share for share in candidate.shares}
    return [
        PairOfShares(label=label, baseline=theirs.get(label), candidate=ours.get(label))
        for label in sorted({*theirs, *ours})
    ]
