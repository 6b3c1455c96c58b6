"""Last night's runs as better, worse or can't tell, each component with its sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse

from evals.models import Comparison, RunSetReport
from evals.selectors.judged_comparisons import shown
from evals.selectors.run_set_reports import ANSWERS
from infra.brief.contract import Answer, Asked, Night, Verdict

# What finished since yesterday morning; a longer absence reaches further back.
NIGHT = timedelta(hours=24)
MOST_NIGHTS, MOST_VERDICTS = 6, 8


def nights(asked: Asked) -> tuple[list[Night], list[str]]:
    """The newest report of each set of runs, and what each says to do first.

    Where none was made, the newest comparisons.
    """
    since = min(asked.since, asked.now - NIGHT)
    reports = _reports(since)
    if not reports:
        return [_of_comparison(row, asked.now) for row in _comparisons(since)], []
    told = [(report, result) for report in reports for result in report.content["results"]]
    steps = [f"{row.content['name']}: {row.content['next_step']}" for row in reports]
    return [_of_result(report, result) for report, result in told][:MOST_NIGHTS], steps


def _reports(since: datetime) -> list[RunSetReport]:
    rows = RunSetReport.objects.filter(made_at__gte=since).select_related("run_set")
    newest = rows.order_by("run_set__name", "-made_at").distinct("run_set__name")
    return sorted(newest, key=lambda row: row.made_at, reverse=True)


def _comparisons(since: datetime) -> Sequence[Comparison]:
    """Of each candidate and suite version the newest one; internal suites are no news."""
    rows = Comparison.objects.filter(
        Q(compared_at__gte=since), candidate__version__suite__is_internal=False
    ).select_related("candidate__checkpoint", "baseline__checkpoint", "candidate__version__suite")
    of = ("candidate__checkpoint_id", "candidate__version_id")
    newest = rows.order_by(*of, "-compared_at").distinct(*of)
    return sorted(newest, key=lambda row: row.compared_at, reverse=True)[:MOST_NIGHTS]


def _of_comparison(row: Comparison, now: datetime) -> Night:
    found = shown(row, now)
    suite = row.candidate.version.suite.name
    nodes = [
        {
            "node": node["node"],
            "label": node["node"] or f"{suite}, whole suite",
            "answer": ANSWERS.get(node["corrected_verdict"], Answer.CANT_TELL.value),
            "sentence": node["sentence"],
        }
        for node in found.nodes
    ]
    return _night(
        title=f"{row.candidate.checkpoint.name} on {suite}",
        against=row.baseline.checkpoint.name,
        address=reverse("console-comparison", args=[row.pk]),
        problem=found.problem,
        nodes=nodes,
        at=row.compared_at,
    )


def _of_result(report: RunSetReport, result: Mapping[str, Any]) -> Night:
    comparison = result["comparison"]
    return _night(
        title=f"{result['checkpoint']} on {result['suite']}",
        against=result["baseline"] or "",
        address=reverse("console-comparison", args=[comparison])
        if comparison
        else reverse("console-run-set", args=[report.run_set_id]),
        problem=result["problem"],
        nodes=result["nodes"],
        at=report.made_at,
    )


def _night(*, nodes: Iterable[Mapping[str, Any]], address: str, **rest: Any) -> Night:
    verdicts = [_verdict(node, address) for node in nodes]
    counts = Counter(verdict.answer for verdict in verdicts)
    # The sort is stable: within an answer the suite's own order stays.
    verdicts.sort(key=lambda verdict: verdict.answer.rank)
    return Night(
        address=address,
        verdicts=tuple(verdicts[:MOST_VERDICTS]),
        n_better=counts[Answer.BETTER],
        n_worse=counts[Answer.WORSE],
        n_cant_tell=counts[Answer.CANT_TELL],
        **rest,
    )


def _verdict(node: Mapping[str, Any], address: str) -> Verdict:
    return Verdict(
        component=node["label"],
        answer=Answer(node["answer"]),
        sentence=node["sentence"],
        address=address,
    )
