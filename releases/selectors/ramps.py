"""Where ramps stand and what they wait for, for many releases in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from infra.errors import NotFound, Reason
from infra.roles import Role
from releases.models import Guardrail, Ramp, RampApproval, Release
from releases.promotions import blocked
from releases.ramps import NextStep, RampFacts, Step, Waits, next_step, share_at, steps_of
from releases.selectors.blocks import Move, blocks_on
from releases.selectors.facts import groups_of_persons
from releases.selectors.promotions import as_refusal_reason
from releases.states import Arm, RampState, ReleaseState, Watch

# A guardrail that nobody looked at since then vouches for nothing.
FRESH = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class RampView:
    """One ramp as every page and the API show it."""

    ramp: Ramp
    steps: tuple[Step, ...]
    guardrails: tuple[Guardrail, ...]
    facts: RampFacts
    next: NextStep
    obstacles: tuple[Reason, ...]
    """What stands in the way of a step that is due; whoever asks for a step hears them all."""

    @property
    def waits(self) -> tuple[str, ...]:
        """What it waits for, in words of the API."""
        if self.ramp.state not in (RampState.RAMPING, RampState.HELD_BACK):
            return ()
        return tuple(wait.value for wait in self.next.waits) + tuple(r.code for r in self.obstacles)

    @property
    def n_steps(self) -> int:
        return len(self.steps)

    @property
    def number(self) -> int:
        """The step as people count, from 1."""
        return min(self.ramp.step + 1, self.n_steps)

    @property
    def is_active(self) -> bool:
        return self.ramp.state in (RampState.RAMPING, RampState.STOPPED)

    @property
    def asks_approval(self) -> bool:
        return self.ramp.state == RampState.RAMPING and Waits.APPROVAL in self.next.waits

    @property
    def next_percent(self) -> int:
        """The candidate's share after the next step; 100 where it becomes the incumbent."""
        return share_at(self.steps, self.ramp.holdback, self.ramp.step + 1)

    @property
    def sentence(self) -> str:
        """Where it stands, and what it waits for."""
        return " ".join((self._place(), *self._waits_for()))

    def _place(self) -> str:
        keeps = self.ramp.holdback
        if self.ramp.state == RampState.HELD_BACK:
            return (
                f"Every step is done; the incumbent keeps {keeps} % until a release manager ends "
                "the ramp or the next checkpoint is promoted."
            )
        if self.ramp.state == RampState.ENDED:
            return "The ramp has ended: the candidate became the incumbent."
        where = f"Step {self.number} of {self.n_steps}"
        if self.ramp.state == RampState.STOPPED:
            return f"{where} was stopped; a resumed release begins it again."
        return f"{where}: {share_at(self.steps, keeps, self.ramp.step)} % of the units."

    def _waits_for(self) -> list[str]:
        if self.ramp.state != RampState.RAMPING:
            return []
        said = []
        if Waits.TIME in self.next.waits and self.ramp.step_ends_at is not None:
            said.append(f"Goes on at {self.ramp.step_ends_at:%Y-%m-%d %H:%M} UTC.")
        if Waits.APPROVAL in self.next.waits:
            said.append("Waits for a release manager to let it go on.")
        if Waits.GUARDRAILS in self.next.waits:
            said.append(_unsafe(self.guardrails))
        return said + [f"Held up: {reason.sentence}" for reason in self.obstacles]


def _unsafe(guardrails: Sequence[Guardrail]) -> str:
    if not guardrails:
        return "It is monitored, and no guardrail watches it: nothing lets it go on."
    names = ", ".join(row.guardrail_id for row in guardrails if row.watch != Watch.SAFE)
    return f"Waits until every guardrail is safe; not yet: {names}."


def ramps() -> QuerySet[Ramp]:
    """Every ramp with what a line about it needs."""
    return Ramp.objects.select_related(
        "release__checkpoint__owner", "release__stage__pipeline", "release__promotion__checkpoint"
    )


def ramp_of(release: Release) -> Ramp:
    """The release's ramp; NotFound for a release that has none."""
    found = ramps().filter(release=release).first()
    if found is None:
        raise NotFound("no_ramp", f"{release} is not on a ramp: it serves its arm as it is.")
    return found


def ramp_views(releases: Iterable[Release], now: datetime) -> dict[UUID, RampView]:
    """By release, for those that have a ramp; one query when none has."""
    candidates = {row.pk for row in releases if row.arm == Arm.CANDIDATE}
    if not candidates:
        return {}
    return {view.ramp.release_id: view for view in views_of(ramps_for(candidates), now)}


def ramps_for(release_ids: Iterable[UUID]) -> list[Ramp]:
    return list(ramps().filter(release__in=set(release_ids)))


def views_of(found: Sequence[Ramp], now: datetime) -> list[RampView]:
    """Each ramp with its facts, its next step and what stands in the way."""
    if not found:
        return []
    guardrails, approved = _guardrails(found), _approved(found)
    obstacles = _obstacles(found, guardrails, now)
    views = []
    for ramp in found:
        watches = tuple(guardrails[ramp.release_id])
        facts = RampFacts(
            steps=steps_of(ramp.steps),
            holdback=ramp.holdback,
            step=ramp.step,
            ends_at=ramp.step_ends_at,
            is_approved=ramp.pk in approved,
            is_safe=bool(watches) and all(row.watch == Watch.SAFE for row in watches),
            folds=ramp.blocked_at is None,
        )
        views.append(
            RampView(
                ramp=ramp,
                steps=facts.steps,
                guardrails=watches,
                facts=facts,
                next=next_step(facts, now),
                obstacles=tuple(obstacles[ramp.pk]),
            )
        )
    return views


def _guardrails(found: Sequence[Ramp]) -> dict[UUID, list[Guardrail]]:
    by_release: dict[UUID, list[Guardrail]] = defaultdict(list)
    rows = Guardrail.objects.filter(release__in={ramp.release_id for ramp in found})
    for row in rows.order_by("pk"):
        by_release[row.release_id].append(row)
    return by_release


def _approved(found: Sequence[Ramp]) -> set[UUID]:
    """Ramps whose present step a person let go on who still may."""
    steps = {ramp.pk: ramp for ramp in found}
    given = [
        row
        for row in RampApproval.objects.filter(ramp__in=steps)
        if row.step == steps[row.ramp_id].step
        and row.approved_at >= steps[row.ramp_id].step_started_at
    ]
    if not given:
        return set()
    groups = groups_of_persons(row.person_id for row in given)
    may = {person for person, held in groups.items() if Role.RELEASE_MANAGER.value in held}
    return {row.ramp_id for row in given if row.person_id in may}


def _obstacles(
    found: Sequence[Ramp], guardrails: dict[UUID, list[Guardrail]], now: datetime
) -> dict[UUID, list[Reason]]:
    moves = [
        Move(
            checkpoint=ramp.release.checkpoint,
            stage=ramp.release.stage,
            promotion=ramp.release.promotion,
        )
        for ramp in found
    ]
    incumbents = _live_incumbents(found)
    obstacles: dict[UUID, list[Reason]] = {}
    for ramp, blocks in zip(found, blocks_on(moves, now), strict=True):
        reasons = [as_refusal_reason(blocked(block)) for block in blocks]
        if (ramp.release.stage_id, ramp.release.size) not in incumbents:
            sentence = f"Nothing live to compare {ramp.release.checkpoint} with: resume or demote."
            reasons.append(Reason(code="incumbent_halted", sentence=sentence))
        for row in guardrails[ramp.release_id]:
            reasons += _unusable(row, now)
        obstacles[ramp.pk] = reasons
    return obstacles


def _live_incumbents(found: Sequence[Ramp]) -> set[tuple[UUID, str]]:
    rows = Release.objects.filter(
        Q(stage__in={ramp.release.stage_id for ramp in found}),
        arm=Arm.INCUMBENT.value,
        state=ReleaseState.LIVE.value,
        ended_at__isnull=True,
    )
    return set(rows.values_list("stage_id", "size"))


def _unusable(row: Guardrail, now: datetime) -> list[Reason]:
    """Why a guardrail stops forward steps; it never stops serving by that."""
    if row.watch == Watch.HARM:
        return [Reason(code="guardrail_harm", sentence=row.sentence, gate_id=row.guardrail_id)]
    if row.watch == Watch.INVALID:
        return [Reason(code="guardrail_invalid", sentence=row.sentence, gate_id=row.guardrail_id)]
    if row.looked_at is None or now - row.looked_at > FRESH:
        sentence = f"Nobody has looked at {row.guardrail_id} for a minute: nothing moves on unseen."
        return [Reason(code="guardrail_unseen", sentence=sentence, gate_id=row.guardrail_id)]
    return []
