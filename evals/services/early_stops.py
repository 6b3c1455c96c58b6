"""Runs that end once every component is settled against another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from evals.models import EarlyStop, Run, SuiteVersion
from evals.selectors import judges
from evals.selectors.comparisons import n_shared
from evals.services.comparisons import check_comparable
from evals.states import RunState
from infra import audit, clock
from infra.actors import system
from infra.errors import InvalidInput, InvalidMove
from releases.statistics.verdicts import MIN_CASES, MIN_SHARED_SHARE

DEFAULT_STOP_MARGIN = 0.02
SHOWN_NODES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The decision to stop, as `EarlyStop` keeps it."""

    n_units: int
    n_units_in_all: int
    n_cases: int
    nodes: Sequence[Mapping[str, Any]]
    sentence: str = ""
    """Why it stops; empty: settled against the run that it was held against."""


def checked_margin(
    version: SuiteVersion, against: Run | None, margin: float | None
) -> float | None:
    """The margin of a run that may stop early; None for one that may not. Refused: see below."""
    if against is not None:
        found = DEFAULT_STOP_MARGIN if margin is None else margin
        check_early_stop(version, against, found)
        return found
    if margin is not None:
        message = "stop_margin belongs to stop_early_against: name a completed run to stop by."
        raise InvalidInput("stop_against_missing", message)
    return None


def check_early_stop(version: SuiteVersion, against: Run, margin: float) -> None:
    """Refuse what could never be settled, or not rightly: the reasons name what to do instead."""
    if not 0 <= margin <= 1:
        message = f"stop_margin is {margin}: write a share of 1, such as 0.02."
        raise InvalidInput("bad_stop_margin", message)
    check_comparable(version, against.version)
    if against.state != RunState.COMPLETED.value or against.ended_because:
        became = "ended early" if against.ended_because else f"is {against.state}"
        message = f"The run {against.pk} {became}: name a completed run that asked every case."
        raise InvalidMove("stop_against_partial", message)
    if judges.references_of(version):
        message = (
            f"{version} is scored by a judge, whose errors no running interval counts: run it "
            "without an early stop."
        )
        raise InvalidMove("judged_suite", message)
    shared, whole = n_shared(version, against.version)
    if shared < MIN_SHARED_SHARE * whole or shared < MIN_CASES:
        message = (
            f"{version} shares {shared} of {whole} cases with {against.version}: too few to settle "
            "anything. Name a run of a nearer version."
        )
        raise InvalidMove("too_few_shared", message)


def record_early_stop(*, run_id: UUID, stopped: Stopped) -> bool:
    """Keep the decision; its shards skip the rest within two seconds. False when it is late."""
    with transaction.atomic():
        row = (
            Run.objects.select_for_update(of=("self",))
            .select_related("version__suite", "stop_early_against__checkpoint")
            .get(pk=run_id)
        )
        decided = EarlyStop.objects.filter(run=row).exists()
        if decided or row.state not in (RunState.RUNNING.value, RunState.PAUSED.value):
            return False
        sentence = stopped.sentence or _sentence(row, stopped)
        kept = {**asdict(stopped), "sentence": sentence}
        EarlyStop.objects.create(run=row, decided_at=clock.now(), **kept)
        audit.record(
            actor=system("runner"), action="run.settled_early", subject=row, reason=sentence
        )
    return True


def _sentence(run: Run, stopped: Stopped) -> str:
    """`Settled after 319 of 1,000 cases against base-1: surely more than 2 points worse on …`"""
    points = f"{100 * run.stop_margin:g} points worse"
    names = {
        node["node"] or "the whole suite": node["verdict"]
        for node in stopped.nodes
        if node["verdict"] != "insufficient"
    }
    worse = [name for name, verdict in names.items() if verdict == "regression"]
    if not worse:
        what = f"surely no more than {points} on any component"
    else:
        more = f" and {len(worse) - SHOWN_NODES} more" if len(worse) > SHOWN_NODES else ""
        what = f"surely more than {points} on {', '.join(worse[:SHOWN_NODES])}{more}"
        if len(worse) < len(names):
            what += f"; surely not on the other {len(names) - len(worse)}"
    against = run.stop_early_against.checkpoint.name
    many = f"{stopped.n_cases:,} of {run.version.n_cases:,} cases"
    return f"Settled after {many} against {against}: {what}."
