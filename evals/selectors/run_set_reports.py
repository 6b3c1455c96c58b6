"""What a set of runs came to: better, worse or can't tell per component, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from evals.models import Comparison, Result, Run, RunSet, RunSetReport
from evals.selectors import runs
from evals.selectors.judged_comparisons import shown
from evals.selectors.progress import progress
from evals.states import ResultState, RunState
from infra import clock
from infra.errors import InvalidMove, NotFound

BETTER, WORSE, OPEN = "better", "worse", "can't tell"
ANSWERS = {"better": BETTER, "regression": WORSE, "worse": WORSE}
MAX_MISSING_SHARE = 0.05
SHOWN_ERRORS = 10
FIELDS = ("node", "n", "n_missing", "candidate_mean", "baseline_mean", "delta", "lo", "hi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One run of a set with what it was held against."""

    run: Run
    baseline: Run | None = None
    comparison: Comparison | None = None
    problem: str = ""
    """Why there is no comparison."""


def run_sets() -> QuerySet[RunSet]:
    """Newest first, with how many runs each has and how many are over."""
    over = Q(runs__state__in=[state.value for state in runs.OVER])
    counted = RunSet.objects.annotate(n_runs=Count("runs"), n_over=Count("runs", filter=over))
    return counted.select_related("baseline", "report").order_by("-created_at")


def run_set_with_id(set_id: UUID) -> RunSet:
    """That set; NotFound."""
    found = run_sets().filter(pk=set_id).first()
    if found is None:
        raise NotFound("no_such_run_set", f"There is no set of runs {set_id}.")
    return found


def members(run_set: RunSet) -> QuerySet[Run]:
    """The set's runs by suite and checkpoint."""
    found = runs.runs().filter(run_set=run_set).select_related("checkpoint__parent")
    return found.order_by("version__suite__name", "checkpoint__name")


def sets_to_report() -> list[UUID]:
    """Sets without a report whose runs are all over."""
    going = Run.objects.filter(run_set=OuterRef("pk")).exclude(
        state__in=[state.value for state in runs.OVER]
    )
    waiting = RunSet.objects.filter(~Exists(going), report__isnull=True)
    return list(waiting.order_by("created_at").values_list("pk", flat=True))


def report_of(run_set: RunSet) -> RunSetReport:
    """The kept report; InvalidMove while a run is not over."""
    found = RunSetReport.objects.filter(run_set=run_set).first()
    if found is None:
        left = members(run_set).exclude(state__in=[state.value for state in runs.OVER]).count()
        message = f"{left} runs of {run_set} are not over: the report is made when they are."
        raise InvalidMove("report_not_ready", message)
    return found


def content_of(run_set: RunSet, compared: Sequence[Compared]) -> dict[str, Any]:
    """The report: what happened, what it says, what changed, what it cost, what to do next."""
    told = [_run_told(run) for run in members(run_set)]
    results = [_result_told(entry) for entry in compared]
    answers = Counter(node["answer"] for result in results for node in result["nodes"])
    earlier = _earlier(run_set)
    content = {
        "id": str(run_set.pk),
        "name": run_set.name,
        "baseline": run_set.baseline.name if run_set.baseline else None,
        "margin": run_set.margin,
        "started_by": run_set.started_by,
        "started_at": run_set.created_at.isoformat(),
        "reported_at": clock.now().isoformat(),
        "counts": {"better": answers[BETTER], "worse": answers[WORSE], "cant_tell": answers[OPEN]},
        "runs": told,
        "results": results,
        "previous": str(earlier.run_set_id) if earlier else None,
        "changes": _changes(results, told, earlier.content if earlier else None),
        "cost_micros": _sum(run["cost_micros"] for run in told),
        "errors": _errors(run_set),
    }
    return {**content, "next_step": _next_step(told, results)}


def _run_told(run: Run) -> dict[str, Any]:
    now = progress(run)
    whole = run.metrics.filter(node="").values("mean", "lo", "hi").first()
    counts = asdict(now)
    kept = ("total", "passed", "failed", "errored", "refused", "skipped", "problem")
    return {
        "id": str(run.pk),
        "suite": run.version.suite.name,
        "version": run.version.number,
        "checkpoint": run.checkpoint.name,
        "state": now.state.value,
        **{name: counts[name] for name in kept},
        "ended_because": now.ended_because,
        "cost_micros": _sum([now.cost_micros, now.grader_cost_micros]),
        "seconds": round(runs.seconds_run(run, clock.now()), 3),
        **(whole or {"mean": None, "lo": None, "hi": None}),
    }


def _result_told(entry: Compared) -> dict[str, Any]:
    run = entry.run
    nodes = shown(entry.comparison, clock.now()).nodes if entry.comparison else []
    return {
        "run": str(run.pk),
        "suite": run.version.suite.name,
        "checkpoint": run.checkpoint.name,
        "baseline": entry.baseline.checkpoint.name if entry.baseline else None,
        "comparison": str(entry.comparison.pk) if entry.comparison else None,
        "problem": entry.problem,
        "nodes": [_node_told(node, run.version.suite.name) for node in nodes],
    }


def _node_told(node: Mapping[str, Any], suite: str) -> dict[str, Any]:
    verdict = node["corrected_verdict"]
    return {
        **{name: node[name] for name in FIELDS},
        "label": node["node"] or f"{suite}, whole suite",
        "answer": ANSWERS.get(verdict, OPEN),
        "verdict": verdict,
        "sentence": node["sentence"],
        "cases_to_settle": node["cases_to_settle"],
    }


def _earlier(run_set: RunSet) -> RunSetReport | None:
    found = RunSetReport.objects.filter(
        run_set__name=run_set.name, run_set__created_at__lt=run_set.created_at
    )
    return found.order_by("-run_set__created_at").first()


def _changes(
    results: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]],
    earlier: Mapping[str, Any] | None,
) -> list[str]:
    """What differs from the set before, one sentence each."""
    if earlier is None:
        return ["This is the first set of its name."]
    said = [*_changed_names(told, earlier), *_changed_versions(told, earlier)]
    before = _answers(earlier["results"])
    stand_ins = {key[1:]: key[0] for key in before}
    alone = len({key[0] for key in before}) == 1
    for key, answer in _answers(results).items():
        checkpoint, suite, label = key
        other = checkpoint if key in before else stand_ins.get(key[1:], "") if alone else ""
        old = before.get((other, suite, label))
        if old is not None and old != answer:
            was = f"{old} ({other})" if other != checkpoint else old
            said.append(f"{label} of {checkpoint}: was {was}, is {answer}.")
    return said or ["Nothing changed since the set before."]


def _changed_names(told: Sequence[Mapping[str, Any]], earlier: Mapping[str, Any]) -> Iterable[str]:
    for what in ("checkpoint", "suite"):
        ours = {run[what] for run in told}
        theirs = {run[what] for run in earlier["runs"]}
        if ours - theirs:
            yield f"New: {what} {', '.join(sorted(ours - theirs))}."
        if theirs - ours:
            yield f"No longer run: {what} {', '.join(sorted(theirs - ours))}."


def _changed_versions(
    told: Sequence[Mapping[str, Any]], earlier: Mapping[str, Any]
) -> Iterable[str]:
    before = {run["suite"]: run["version"] for run in earlier["runs"]}
    for suite, version in sorted({(run["suite"], run["version"]) for run in told}):
        if before.get(suite, version) != version:
            yield f"{suite} went from version {before[suite]} to {version}."


def _answers(results: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    return {
        (result["checkpoint"], result["suite"], node["label"]): node["answer"]
        for result in results
        for node in result["nodes"]
    }


def _errors(run_set: RunSet) -> list[dict[str, Any]]:
    """The most frequent errors: `{code, n, example}`."""
    errored = Result.objects.filter(run__run_set=run_set, state=ResultState.ERRORED.value)
    counted = errored.values("error_code").annotate(n=Count("pk")).order_by("-n", "error_code")
    found = []
    for row in counted[:SHOWN_ERRORS]:
        example = errored.filter(error_code=row["error_code"]).first()
        message = example.error_message if example else ""
        found.append({"code": row["error_code"], "n": row["n"], "example": message[:300]})
    return found


def _next_step(told: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> str:
    """The one thing to do first."""
    for run in told:
        step = _repair(run)
        if step:
            return step
    nodes = [(result, node) for result in results for node in result["nodes"]]
    for wanted in ("regression", "worse"):
        for result, node in nodes:
            if node["verdict"] == wanted:
                where = f"{node['label']} of {result['checkpoint']}"
                return f"Look at the flipped cases of {where}: it is worse."
    for result in results:
        if result["problem"]:
            return f"{result['checkpoint']} on {result['suite']}: {result['problem']}"
    return _settle_or_promote(results, nodes)


def _repair(run: Mapping[str, Any]) -> str:
    what = f"{run['checkpoint']} on {run['suite']}"
    if run["state"] != RunState.COMPLETED.value:
        why = f": {run['problem']}" if run["problem"] else "."
        return f"Start {what} again, whose run is {run['state']}{why}"
    if run["errored"] > MAX_MISSING_SHARE * run["total"]:
        return f"Look at the {run['errored']} errors of {what}, then start it again."
    if run["ended_because"]:
        return f"Raise the cap of {what} if the rest is needed. {run['ended_because']}"
    return ""


def _settle_or_promote(
    results: Sequence[Mapping[str, Any]],
    nodes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> str:
    if not nodes:
        return "Name a baseline, so that the next set can say better or worse."
    for result, node in nodes:
        if node["node"] == "" and node["verdict"] in ("inconclusive", "insufficient"):
            more = f"about {node['cases_to_settle']:,}" if node["cases_to_settle"] else "many more"
            return f"Nothing is worse, but {result['suite']} can't tell: {more} cases would."
    names = ", ".join(sorted({result["checkpoint"] for result in results}))
    return f"Nothing is worse than the baseline: ask for the promotion of {names}."


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
