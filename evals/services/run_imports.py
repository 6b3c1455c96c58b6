"""Runs that another tool made: its results, our metrics; imported once, never called here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import IntegrityError, transaction

from evals import outputs
from evals.formats.contract import SuiteSpec, canonical_json, policy_as_json
from evals.formats.results import ResultSpec, RunLog, check_log
from evals.models import Result, Run, Suite, SuiteVersion
from evals.services import runs, suites
from evals.states import ResultState, RunSource, RunState, VersionState
from infra import audit, clock
from infra.actors import Actor
from infra.errors import DomainError, InvalidInput
from infra.roles import Scope
from releases.models import Checkpoint

MOST_RESULTS = 200_000
ROWS_AT_ONCE = 1_000
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRun:
    """What an import made."""

    run: Run
    is_new: bool
    """False when this log was imported for the checkpoint already, and nothing was written."""


def import_run(
    *, actor: Actor, log: RunLog, checkpoint: Checkpoint, format_name: str, suite: str = ""
) -> ImportedRun:
    """The log as a completed run of the checkpoint, on the suite of that name.

    A suite that does not exist is imported from the log. One that exists must hold every case of
    the log unchanged and be graded alike; its cases without a result in the log are `skipped`.
    The metrics are computed here from the results; a log is imported once per checkpoint.
    """
    actor.must("import eval runs", *runs.STARTERS, scope=Scope.RUN)
    check_log(log, format_name)
    name = suite or log.suite.name
    try:
        with transaction.atomic():
            version = _version_for(actor, name, log.suite, checkpoint)
            found = _imported(version, checkpoint, log)
            if found is not None:
                return ImportedRun(run=found, is_new=False)
            return ImportedRun(
                run=_store(actor, log, checkpoint, version, format_name), is_new=True
            )
    except IntegrityError:
        # Another import of this log came first.
        found = _imported(_version_for(actor, name, log.suite, checkpoint), checkpoint, log)
        if found is None:
            raise
        return ImportedRun(run=found, is_new=False)


def _store(
    actor: Actor, log: RunLog, checkpoint: Checkpoint, version: SuiteVersion, format_name: str
) -> Run:
    n_expected = version.n_cases * log.repeats
    if n_expected > MOST_RESULTS:
        message = f"{n_expected:,} results are too many for one import: {MOST_RESULTS:,} at most."
        raise InvalidInput("too_many_results", message)
    now = clock.now()
    run = Run.objects.create(
        version=version,
        checkpoint=checkpoint,
        source=RunSource.IMPORTED.value,
        origin=outputs.storable_json(_origin(log, format_name)),
        origin_digest=log.digest(),
        repeats=log.repeats,
        concurrency=0,
        seed=0,
        state=RunState.RUNNING.value,
        n_expected=n_expected,
        started_by=actor.name,
        created_at=now,
        started_at=now,
    )
    rows = _rows(run, log)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        Result.objects.bulk_create(batch)
    after = {"format": format_name, "model": log.model, "digest": run.origin_digest}
    audit.record(actor=actor, action="run.imported", subject=run, after=after)
    if not runs.finish_run(run_id=run.pk):
        raise DomainError("import_unfinished", f"Run {run.pk} lacks results after its import.")
    run.refresh_from_db()
    return run


def _origin(log: RunLog, format_name: str) -> dict[str, Any]:
    return {
        "format": format_name,
        "tool": log.tool,
        "model": log.model,
        "created_at": log.created_at.isoformat() if log.created_at else None,
        "n_results": len(log.results),
        "stated": [dataclasses.asdict(metric) for metric in log.stated],
        "not_expressible": list(log.not_expressible),
    }


def _rows(run: Run, log: RunLog) -> Iterator[Result]:
    """One row a (case, repeat) of the version; `skipped` where the log has none."""
    given = {(result.case_id, result.repeat): result for result in log.results}
    for pk, case_id in run.version.cases.order_by("position").values_list("pk", "case_id"):
        for repeat in range(run.repeats):
            result = given.get((case_id, repeat)) or _absent(case_id, repeat)
            yield Result(run=run, case_id=pk, repeat=repeat, **_columns(result, run))


def _absent(case_id: str, repeat: int) -> ResultSpec:
    return ResultSpec(
        case_id=case_id,
        repeat=repeat,
        state=ResultState.SKIPPED,
        n_calls=0,
        error_code="not_in_log",
        error_message="The imported log holds no result of this case.",
    )


def _columns(result: ResultSpec, run: Run) -> dict[str, Any]:
    shares = {
        label: {"score": share.score, "explanation": outputs.storable(share.explanation)}
        for label, share in sorted(result.components.items())
    }
    counts = ("n_calls", "tokens_in", "tokens_out", "cost_micros", "latency_ms")
    return {
        "state": result.state.value,
        "score": result.score,
        "components": shares,
        "explanation": outputs.storable(result.explanation),
        "output": outputs.pack(result.output) if result.output else b"",
        "error_code": outputs.storable(result.error_code)[:60],
        "error_message": outputs.storable(result.error_message),
        "recorded_at": run.created_at,
        **{name: getattr(result, name) for name in counts},
    }


def _imported(version: SuiteVersion, checkpoint: Checkpoint, log: RunLog) -> Run | None:
    return Run.objects.filter(
        version=version, checkpoint=checkpoint, origin_digest=log.digest()
    ).first()


def _version_for(actor: Actor, name: str, spec: SuiteSpec, checkpoint: Checkpoint) -> SuiteVersion:
    """The version that holds the log's cases; imported when there is no suite.

    A suite that a key imports, which is no person, is owned as the checkpoint is.
    """
    found = fitting_version(name, spec)
    if found is not None:
        return found
    if not spec.owner and actor.person_id is None:
        spec = dataclasses.replace(spec, owner=checkpoint.owner.email)
    return suites.import_suite(actor=actor, name=name, suite=spec).version


def fitting_version(name: str, spec: SuiteSpec) -> SuiteVersion | None:
    """The suite's newest published version that holds the log's cases; None without a suite.

    InvalidInput where the suite's cases or graders differ from the log's.
    """
    row = Suite.objects.filter(name=name).first()
    if row is None:
        return None
    published = row.versions.filter(state=VersionState.PUBLISHED.value).order_by("-number")
    differences: list[str] = []
    for version in published.select_related("suite__owner"):
        found = _difference(version, spec)
        if not found:
            return version
        differences.append(f"{version} {found}")
    known = differences[0] if differences else f"{name} has no published version"
    message = (
        f"The log does not fit suite {name}: {known}. Import it under another name with --suite, "
        f"or import its cases into {name} first with `manage.py suite import`."
    )
    raise InvalidInput("log_differs", message)


def _difference(version: SuiteVersion, spec: SuiteSpec) -> str:
    """Empty when every case of the log is the version's own, graded alike."""
    ours: Mapping[str, Any] = {
        "graders": version.graders,
        "policy": version.policy,
        "request": version.request,
    }
    theirs = {
        "graders": spec.graders,
        "policy": policy_as_json(spec.policy),
        "request": spec.request,
    }
    for field, value in theirs.items():
        if canonical_json(ours[field]) != canonical_json(value):
            return f"has other {field}"
    digests = dict(version.cases.values_list("case_id", "digest"))
    lacking = [case.case_id for case in spec.cases if case.case_id not in digests]
    if lacking:
        return f"lacks {_some(lacking)}"
    changed = [case.case_id for case in spec.cases if digests[case.case_id] != case.digest()]
    return f"holds other content under {_some(changed)}" if changed else ""


def _some(case_ids: Sequence[str]) -> str:
    shown = ", ".join(case_ids[:SHOWN])
    more = f" and {len(case_ids) - SHOWN} more" if len(case_ids) > SHOWN else ""
    return f"the case{'s' if len(case_ids) > 1 else ''} {shown}{more}"
