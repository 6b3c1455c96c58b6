"""Looks back: what a partner was served at any past moment, and who was exposed to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q

from alpha.models import Grant, Partner, UsageEvent
from infra.models import AuditEntry
from releases.models import Checkpoint, Release, Stage
from releases.selectors.history import ArmThen, PartnerExposure, arms_at, stays_of
from releases.states import Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRequest:
    """The last request that a partner was served in a stage before a moment."""

    request_id: UUID
    at: datetime
    checkpoint: str
    arm: str
    release_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StageThen:
    """A stage at one moment, for everybody or for one partner."""

    stage: Stage
    at: datetime
    partner: Partner | None
    arms: Sequence[ArmThen]
    grants: Sequence[Grant]
    """The partner's grants in force then, its own and its cohorts'; none without a partner."""
    last_request: LastRequest | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One release of a checkpoint, and who called it."""

    release: Release
    exposures: Sequence[PartnerExposure]

    @property
    def n_requests(self) -> int:
        return sum(row.n_requests for row in self.exposures)


def stage_then(
    stage: Stage, at: datetime, partner: Partner | None = None, size: str = ""
) -> StageThen:
    """Which checkpoint was in the stage (for the partner) at `at`, in a constant number of queries.

    A partner's units are spread over the arms; where there were two, the last request before `at`
    says which one served it.
    """
    arms = arms_at(stage, at, size)
    grants = grants_then(partner, stage, at) if partner else []
    last = _last_request(partner, stage, at) if partner else None
    return StageThen(
        stage=stage,
        at=at,
        partner=partner,
        arms=arms,
        grants=grants,
        last_request=last,
        sentence=_sentence(stage, at, partner, arms, grants),
    )


def _sentence(
    stage: Stage,
    at: datetime,
    partner: Partner | None,
    arms: Sequence[ArmThen],
    grants: Sequence[Grant],
) -> str:
    when = f"On {at:%Y-%m-%d %H:%M:%S} UTC"
    if partner is not None and not grants:
        return f"{when} {partner} had no grant to {stage}, so nothing there was served to it."
    if not arms:
        return f"{when} nothing was live in {stage}."
    told = "; ".join(_told(arm, arms) for arm in arms)
    whom = f" for {partner}" if partner else ""
    return f"{when} {stage} had{whom}: {told}."


def _told(arm: ArmThen, arms: Sequence[ArmThen]) -> str:
    name = f"{arm.checkpoint.name} ({arm.release.size}, {arm.arm.value})"
    if arm.is_halted:
        return f"{name}, halted"
    halted = {(a.release.size, a.arm) for a in arms if a.is_halted}
    whole = arm.arm is Arm.INCUMBENT and (arm.release.size, Arm.CANDIDATE) in halted
    return f"{name}, {100 if whole else arm.share} percent"


def grants_then(partner: Partner, stage: Stage, at: datetime) -> list[Grant]:
    """What gave the partner access to the stage at `at`: its own grants and its cohorts'."""
    return list(
        _in_force(at)
        .filter(Q(partner=partner) | Q(cohort__in=_cohorts_then(partner, at)), stage=stage)
        .select_related("partner", "cohort", "stage__pipeline")
        .order_by("opens_at")
    )


def _in_force(at: datetime) -> Any:
    return Grant.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=at),
        Q(revoked_at=None) | Q(revoked_at__gt=at),
        opens_at__lte=at,
    )


def _cohorts_then(partner: Partner, at: datetime) -> list[UUID]:
    """Cohorts that the partner was in: who left has no row any more, so the audit log tells."""
    moves = _membership_moves(at).filter(
        Q(after__partner=partner.name) | Q(before__partner=partner.name)
    )
    newest = {entry.object_id: entry.action for entry in moves}
    return [UUID(cohort) for cohort, action in newest.items() if action == "cohort.joined"]


def _membership_moves(at: datetime) -> Any:
    return AuditEntry.objects.filter(
        action__in=["cohort.joined", "cohort.left"], at__lte=at
    ).order_by("seq")


def _last_request(partner: Partner, stage: Stage, at: datetime) -> LastRequest | None:
    event = (
        UsageEvent.objects.filter(partner=partner, stage=stage, started_at__lte=at)
        .select_related("checkpoint")
        .order_by("-started_at")
        .first()
    )
    if event is None:
        return None
    return LastRequest(
        request_id=event.request_id,
        at=event.started_at,
        checkpoint=event.checkpoint.name,
        arm=event.arm,
        release_id=event.release_id,
    )


def exposures_of(checkpoint: Checkpoint) -> list[Stay]:
    """Every stay of the checkpoint, newest first, with the partners that it served."""
    releases = stays_of(checkpoint)
    rows = PartnerExposures().exposed([release.pk for release in releases])
    return [
        Stay(release=release, exposures=[row for row in rows if row.release_id == release.pk])
        for release in releases
    ]


class PartnerExposures:
    """Who was served by what; `settings.EXPOSURE_SOURCE` names this class for `releases`."""

    def exposed(self, release_ids: Iterable[UUID]) -> list[PartnerExposure]:
        """One row a release and partner, most requests first."""
        rows = (
            UsageEvent.objects.filter(release__in=list(release_ids))
            .values("release_id", "partner__name")
            .annotate(
                n_requests=Count("request_id"),
                n_units=Count("unit", distinct=True),
                first_at=Min("started_at"),
                last_at=Max("started_at"),
            )
            .order_by("-n_requests", "partner__name")
        )
        return [
            PartnerExposure(
                partner=row["partner__name"],
                release_id=row["release_id"],
                n_requests=row["n_requests"],
                n_units=row["n_units"],
                first_at=row["first_at"],
                last_at=row["last_at"],
            )
            for row in rows
        ]

    def granted(self, stage_id: UUID, at: datetime) -> list[str]:
        """Names of the partners that had access to the stage at `at`."""
        grants = list(_in_force(at).filter(stage=stage_id).select_related("partner", "cohort"))
        names = {grant.partner.name for grant in grants if grant.partner is not None}
        cohorts = {str(grant.cohort_id) for grant in grants if grant.cohort is not None}
        newest = {}
        for entry in _membership_moves(at).filter(object_id__in=cohorts):
            partner = (entry.after or {}).get("partner") or (entry.before or {}).get("partner")
            newest[entry.object_id, partner] = entry.action
        names |= {name for (_, name), action in newest.items() if action == "cohort.joined"}
        return sorted(names)
