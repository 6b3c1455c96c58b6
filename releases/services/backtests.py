"""A proposed policy over past promotions: which flip, for which reason, and who was exposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from infra import clock
from infra.errors import InvalidInput
from releases.backtests import (
    Evidenced,
    Found,
    Retold,
    recorded_evidence,
    retell,
    unknown,
)
from releases.documents import refuse
from releases.evidence import gather_as_of
from releases.gates.contract import Evidence, Gate
from releases.gates.facts import GateFact
from releases.gates.registry import kinds
from releases.gates.terms import gates_of
from releases.models import DecisionRecord, Promotion, Release
from releases.policy import StageSpec, read_pipelines
from releases.replay.method_inputs import live_inputs
from releases.replay.records import moment
from releases.selectors.facts import subject_of
from releases.selectors.history import PartnerExposure, exposure_by_release, exposure_source
from releases.services.undone import undone


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtested:
    """One past promotion under the proposed policy."""

    promotion: Promotion
    decided_at: datetime
    retold: Retold
    found: Mapping[str, Found]
    """Where the evidence of each gate comes from, by gate id."""
    exposures: Sequence[PartnerExposure]
    """Who was served by what it became; told for flips of what went."""
    lived: timedelta
    """How long what it became served, up to now."""
    reachable: Sequence[str]
    """Partners with access to the stage then; told for flips of what did not go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """All of them, oldest first."""

    rows: Sequence[Backtested]

    @property
    def flips(self) -> list[Backtested]:
        return [row for row in self.rows if row.retold.flips]


def backtest(*, files: Mapping[str, str], stage: str = "") -> Backtest:
    """Judge every decided promotion into the files' stages anew; rows stay as they are.

    InvalidInput with every mistake of every file, or when the files have no such stage.
    """
    policies = _policies(files, stage)
    with undone():
        rows = [
            _backtested(record, policies[_place(record)])
            for record in _records()
            if _place(record) in policies
        ]
    return Backtest(rows=rows)


_Place = tuple[str, str]


def _policies(files: Mapping[str, str], stage: str) -> dict[_Place, StageSpec]:
    """The proposed stages, by pipeline and name."""
    found: dict[_Place, StageSpec] = {}
    problems = []
    for name, text in files.items():
        specs, wrong = read_pipelines(text, name, kinds())
        problems += wrong
        found.update({(spec.name, one.name): one for spec in specs for one in spec.stages})
    refuse("invalid_pipeline", ", ".join(files) or "no file", problems)
    wanted = {place: spec for place, spec in found.items() if stage in ("", *_names(place))}
    if not wanted:
        known = ", ".join("/".join(place) for place in found) or "none"
        message = f"The files have no stage {stage!r}; they have: {known}."
        raise InvalidInput("no_such_stage", message)
    return wanted


def _names(place: _Place) -> tuple[str, str]:
    return place[1], "/".join(place)


def _records() -> list[DecisionRecord]:
    """The newest record of every promotion that was decided, oldest first."""
    newest = DecisionRecord.objects.order_by("promotion_id", "-decided_at").distinct("promotion_id")
    related = newest.select_related("promotion__checkpoint__family", "promotion__stage__pipeline")
    return sorted(related, key=lambda record: record.decided_at)


def _place(record: DecisionRecord) -> _Place:
    stage = record.promotion.stage
    return stage.pipeline.name, stage.name


def _backtested(record: DecisionRecord, spec: StageSpec) -> Backtested:
    document: Mapping[str, Any] = record.document
    gates = [_evidenced(record, gate) for gate in gates_of(spec.policy)]
    retold = retell(document, spec.policy, spec.digest, gates)
    releases = list(Release.objects.filter(promotion=record.promotion_id))
    stopped = retold.flips and retold.went
    missed = retold.flips and not retold.went
    return Backtested(
        promotion=record.promotion,
        decided_at=record.decided_at,
        retold=retold,
        found={item.fact.gate.id: item.found for item in gates},
        exposures=_exposures([release.pk for release in releases]) if stopped else (),
        lived=sum((_lived(release) for release in releases), timedelta(0)),
        reachable=(
            exposure_source().granted(record.promotion.stage_id, record.decided_at)
            if missed
            else ()
        ),
    )


def _exposures(release_ids: list[UUID]) -> list[PartnerExposure]:
    return [row for rows in exposure_by_release(release_ids).values() for row in rows]


def _lived(release: Release) -> timedelta:
    ends = [at for at in (release.halted_at, release.ended_at) if at is not None]
    until: datetime = min(ends, default=clock.now())
    return until - release.started_at


def _evidenced(record: DecisionRecord, gate: Gate) -> Evidenced:
    """Recorded where it counts, else as of when the decision was judged, else unknown."""
    found = recorded_evidence(record.document, gate)
    if found is not None and found.found is Found.RECOMPUTED:
        found = _recomputed(found)
    if found is not None:
        return found
    judged_at = record.document["evaluated_at"]
    if judged_at is None:
        return unknown(gate)
    evidence = gather_as_of(gate, subject_of(record.promotion), moment(judged_at))
    if evidence is None:
        return unknown(gate)
    if evidence.observed is None and not evidence.problem:
        return unknown(gate, evidence.missing)
    return Evidenced(fact=GateFact(gate=gate, evidence=evidence), found=Found.AS_OF_THEN)


def _recomputed(item: Evidenced) -> Evidenced | None:
    """The interval against the proposed limit, from the recorded counts; None without counts."""
    from releases.statistics.methods import METHODS  # SciPy: only where numbers are made

    gate, observed = item.fact.gate, dict(item.fact.evidence.observed or {})
    calls = live_inputs(gate.kind, gate.options, observed)
    if not calls:
        return None
    call = calls[0]
    answer = METHODS[call.method].call(call.given)
    interval = {shown: _written(answer[name]) for name, shown in call.fields.items()}
    evidence: Evidence = replace(
        item.fact.evidence, observed={**observed, "interval": {**observed["interval"], **interval}}
    )
    return replace(item, fact=GateFact(gate=gate, evidence=evidence))


def _written(value: Any) -> Any:
    """A number as evidence writes it."""
    return str(value) if value in (float("inf"), float("-inf")) else value
