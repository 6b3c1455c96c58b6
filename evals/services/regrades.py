"""Stored outputs graded again on a newer version of the suite, without a call of the checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Avg

from evals import graders
from evals.models import Case, Result, Run, SuiteVersion
from evals.selectors import model_endpoints, suites
from evals.services import runs
from evals.states import ResultState, RunSource, RunState, VersionState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, Reason
from infra.roles import Scope

SHOWN_CASES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RegradeCost:
    """What a re-grade would take."""

    n_outputs: int
    """Stored answers that would be graded."""
    n_calls: int
    """Calls of graders' models, retries not counted; 0 when every grader works without one."""
    cost_micros: int | None
    """By what those graders cost in the older run; None when that is not known."""
    models: tuple[str, ...]
    """The models that would be asked."""

    @property
    def sentence(self) -> str:
        """`412 answers are graded by 412 calls of tone-judge, at about 0.83.`"""
        if not self.n_calls:
            return f"{self.n_outputs:,} stored answers are graded without a call."
        cost = "what that costs is not known"
        if self.cost_micros is not None:
            cost = f"at about {self.cost_micros / 1_000_000:,.2f}"
        names = ", ".join(self.models)
        answers = f"{self.n_outputs:,} stored answers are graded"
        return f"{answers} by {self.n_calls:,} calls of {names}, {cost}."


def regrade_run(
    *,
    actor: Actor,
    run: Run,
    version: SuiteVersion | None = None,
    reason: str,
    accept_calls: bool = False,
) -> Run:
    """A queued run that grades what `run` stored, on `version` (default: the newest published).

    Refused unless every case of the version was asked by the older run in the same words, and,
    while graders ask models, until `accept_calls` agrees to what that costs.
    """
    actor.must("re-grade eval runs", *runs.STARTERS, scope=Scope.RUN)
    if not reason.strip():
        raise InvalidInput("reason_missing", "Say why the run is graded again.")
    _refuse_replays(run)
    older = run.regraded_from or run
    target = version or suites.newest_published(run.version.suite)
    _check_runs(run, target)
    _check_cases(older, target)
    cost = regrade_cost(run=older, version=target)
    if cost.n_calls and not accept_calls:
        raise InvalidMove("regrade_calls_models", f"{cost.sentence} Accept that to go on.")
    made = Run(
        version=target,
        checkpoint=older.checkpoint,
        source=RunSource.REGRADED.value,
        regraded_from=older,
        repeats=older.repeats,
        concurrency=max(1, older.concurrency),
        seed=older.seed,
        n_expected=target.n_cases * older.repeats,
        started_by=actor.name,
        created_at=clock.now(),
    )
    with transaction.atomic():
        made.save(force_insert=True)
        _keep_skipped(made, older)
        runs.make_shards(made)
        after = {"regraded_from": str(older.pk), "version": str(target)}
        audit.record(actor=actor, action="run.regraded", subject=made, reason=reason, after=after)
    return made


def _refuse_replays(run: Run) -> None:
    """Their outputs may be sealed, and their tools' results are no part of them."""
    if hasattr(run.version, "replay_set"):
        message = f"{run.version} replays conversations: start it again instead of grading again."
        raise InvalidMove("replay_not_regraded", message)


def regrade_cost(*, run: Run, version: SuiteVersion) -> RegradeCost:
    """What grading the run's stored answers on the version would take."""
    stored = Result.objects.filter(run=run).exclude(output=b"")
    answered = stored.filter(case__case_id__in=version.cases.values("case_id"))
    asking = {case_id: _asking(found) for case_id, found in _graders_of(version)}
    specs = [spec for found in asking.values() for spec in found]
    models = {name for spec in specs for name in graders.models_of(spec)}
    n_calls = 0
    if models:
        ids = answered.values_list("case__case_id", flat=True)
        n_calls = sum(len(asking[case_id]) for case_id in ids)
    n_outputs = answered.count()
    known = stored.filter(n_grader_calls__gt=0).aggregate(mean=Avg("grader_cost_micros"))["mean"]
    return RegradeCost(
        n_outputs=n_outputs,
        n_calls=n_calls,
        cost_micros=None if known is None else round(known * n_outputs),
        models=tuple(sorted(models)),
    )


def _asking(specs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [spec for spec in specs if graders.models_of(spec)]


def _graders_of(version: SuiteVersion) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    own = version.cases.values_list("case_id", "graders")
    return [(case_id, (*version.graders, *specs)) for case_id, specs in own]


def _check_runs(run: Run, version: SuiteVersion | None) -> None:
    if run.state != RunState.COMPLETED.value:
        message = f"The run {run.pk} is {run.state}: only completed runs are graded again."
        raise InvalidMove("run_not_completed", message)
    if version is None or version.state != VersionState.PUBLISHED.value:
        message = f"{version or run.version.suite} is not published: publish it first."
        raise InvalidMove("version_is_draft", message)
    if version.suite_id != run.version.suite_id:
        message = f"{version} and {run.version} are different suites: start a run on it instead."
        raise InvalidInput("different_suites", message)
    if version.number <= run.version.number:
        message = f"{version} is no newer than {run.version}: publish what is to be graded anew."
        raise InvalidMove("not_newer", message)
    # Nothing may be started that a grader could not finish.
    runs.refuse_external(version)
    model_endpoints.endpoints_of(version)


def _check_cases(older: Run, version: SuiteVersion) -> None:
    """InvalidMove naming the cases that the older run did not ask in the same words."""
    asked = {case.case_id: _asked(older.version, case) for case in older.version.cases.all()}
    other = [
        case.case_id
        for case in version.cases.order_by("position")
        if asked.get(case.case_id) != _asked(version, case)
    ]
    if not other:
        return
    reasons = [
        Reason(code="not_asked", sentence=f"{case_id} was not asked in the same words.")
        for case_id in other[:SHOWN_CASES]
    ]
    shown = ", ".join(other[:SHOWN_CASES]) + (", …" if len(other) > SHOWN_CASES else "")
    message = (
        f"{len(other)} of {version.n_cases} cases of {version} were not asked in the same words on "
        f"{older.version} ({shown}): start a run instead."
    )
    raise InvalidMove("cases_differ", message, reasons)


def _asked(version: SuiteVersion, case: Case) -> tuple[Any, ...]:
    """All that decides what the checkpoint is sent."""
    return case.input, case.tools or [], {**version.request, **case.request}


def _keep_skipped(made: Run, older: Run) -> None:
    """What the older run never asked is skipped here too."""
    pks = dict(made.version.cases.values_list("case_id", "pk"))
    skipped = Result.objects.filter(run=older, state=ResultState.SKIPPED.value)
    rows = skipped.values_list("case__case_id", "repeat", "explanation", "error_message")
    Result.objects.bulk_create(
        Result(
            run=made,
            case_id=pks[case_id],
            repeat=repeat,
            state=ResultState.SKIPPED.value,
            explanation=said or message,
            output=b"",
            n_calls=0,
            recorded_at=made.created_at,
        )
        for case_id, repeat, said, message in rows
        if case_id in pks
    )
    made.ended_because = older.ended_because
    made.save(update_fields=["ended_because"])
