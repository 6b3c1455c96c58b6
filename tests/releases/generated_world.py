"""The places, the persons and the controls around generated promotions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from infra.models import Person
from infra.roles import Role
from releases.digests import sha256_of
from releases.gates.facts import GateFact
from releases.models import (
    Checkpoint,
    FollowUp,
    Freeze,
    FreezeWaiver,
    Hold,
    LineStop,
    Promotion,
    Ramp,
    Rejection,
    Release,
    ShareChange,
    Stage,
    Waiver,
)
from releases.states import Arm, PromotionState, RampState
from tests import builders
from tests.builders import NOW

N_STAGES = 8
SIZES = ("standard", "mini", "nano")
REASONS = ("better at tables", "„odd“ <b>&amp; \u202e", "it's kind of weird in one use case")


@dataclass(slots=True, kw_only=True)
class World:
    """What was made: promotions with the evidence that their sources would give now."""

    rng: random.Random
    persons: list[Person] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    promotions: list[Promotion] = field(default_factory=list)
    evidence: dict[UUID, tuple[GateFact, ...]] = field(default_factory=dict)
    unsettled: set[UUID] = field(default_factory=set)
    """Those that the scheduler would judge anew: never judged, or gone stale."""

    def maybe(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent


def populate(made: World) -> None:
    """Persons, one of whom has left, stages and checkpoints."""
    _persons(made)
    _places(made)


def _persons(made: World) -> None:
    roles = [(Role.RELEASE_MANAGER,)] * 4 + [(Role.ENGINEER,), (Role.BEHAVIOUR_REVIEWER,)]
    roles += [(Role.RELEASE_MANAGER, Role.EVAL_OWNER), ()]
    for number, held in enumerate(roles):
        login = builders.login(f"person_{number}", *held)
        assert login.person is not None
        made.persons.append(login.person)
    gone = made.persons[3]
    gone.left_at = NOW - timedelta(days=1)
    gone.save(update_fields=["left_at"])


def _places(made: World) -> None:
    made.stages = [builders.stage(f"s{number}") for number in range(N_STAGES)]
    made.checkpoints = [
        builders.checkpoint(
            f"c{number}",
            size=SIZES[number % 3],
            owner=made.rng.choice(made.persons),
            checkpoint_digest=sha256_of(f"c{number}"),
        )
        for number in range(48)
    ]


def control(made: World) -> None:
    """Everything that stops forward moves, and what lets some of them through."""
    rows = list(Promotion.objects.select_related("checkpoint", "stage"))
    _holds(made)
    _waivers(made, rows)
    _freezes(made, rows)
    _ramps(made)
    _follow_ups(made, rows)
    Rejection.objects.bulk_create(
        Rejection(
            checkpoint=checkpoint,
            rejected_by=made.persons[0],
            reason="It leaks its prompt.",
            rejected_at=NOW - timedelta(hours=2),
        )
        for checkpoint in made.rng.sample(made.checkpoints, 3)
    )
    if made.maybe(50):
        LineStop.objects.create(stopped_by=made.persons[1], reason="odd answers", stopped_at=NOW)


def _holds(made: World) -> None:
    for number in range(12):
        on_stage = number % 4 == 0
        Hold.objects.create(
            stage=made.rng.choice(made.stages[:3]) if on_stage else None,
            checkpoint=None if on_stage else made.rng.choice(made.checkpoints),
            owner=made.rng.choice([*made.persons, None]),
            reason=made.rng.choice(REASONS),
            placed_at=NOW - timedelta(minutes=number // 4),
            lifted_at=NOW if made.maybe(25) else None,
        )


def _waivers(made: World, rows: Sequence[Promotion]) -> None:
    Waiver.objects.bulk_create(
        Waiver(
            checkpoint=row.checkpoint,
            stage=row.stage,
            gate_id=made.rng.choice([gate["id"] for gate in row.policy["gates"]] or ["ungated"]),
            reason="The suite is known to be wrong.",
            asked_by=made.persons[0],
            asked_at=NOW - timedelta(days=2),
            confirmed_by=made.persons[1] if made.maybe(75) else None,
            confirmed_at=NOW - timedelta(days=2),
            expires_at=NOW + timedelta(hours=made.rng.randrange(-12, 48)),
        )
        for row in rows
        for _ in range(made.rng.choice((0, 0, 1, 2)))
    )


def _freezes(made: World, rows: Sequence[Promotion]) -> None:
    for stage in (made.stages[1], made.stages[5]):
        freeze = Freeze.objects.create(
            name=f"freeze-{stage.name}",
            stage=stage,
            starts=f"{NOW - timedelta(hours=6):%Y-%m-%dT%H:%M:%S}",
            lasts="2d",
            time_zone="Europe/Oslo",
            reason="Inventory.",
            owner=made.persons[0],
            placed_at=NOW - timedelta(days=3),
        )
        FreezeWaiver.objects.bulk_create(
            FreezeWaiver(
                freeze=freeze,
                promotion=row,
                person=made.persons[0],
                reason="It repairs a leak.",
                waived_at=NOW,
            )
            for row in rows
            if row.stage_id == stage.pk and made.maybe(30)
        )


def _ramps(made: World) -> None:
    """Two stages where a candidate of one size is on its way up."""
    for stage in (made.stages[2], made.stages[5]):
        size = made.rng.choice(SIZES)
        mine = [checkpoint for checkpoint in made.checkpoints if checkpoint.size == size]
        arms = zip(
            made.rng.sample(mine, 2), ((Arm.INCUMBENT, 90), (Arm.CANDIDATE, 10)), strict=True
        )
        for checkpoint, (arm, share) in arms:
            release = Release.objects.create(
                stage=stage,
                family=checkpoint.family,
                size=size,
                arm=arm.value,
                share=share,
                checkpoint=checkpoint,
                started_at=NOW - timedelta(hours=1),
            )
            ShareChange.objects.create(release=release, arm=arm.value, share=share, at=NOW)
        Ramp.objects.create(
            release=release,
            steps=[{"percent": 10, "for": "2h"}, {"percent": 50, "for": "2h"}],
            holdback=0,
            state=RampState.RAMPING.value,
            step_started_at=NOW - timedelta(hours=1),
            step_ends_at=NOW + timedelta(hours=1),
        )


def _follow_ups(made: World, rows: Sequence[Promotion]) -> None:
    done = [row for row in rows if row.state == PromotionState.PROMOTED and row.hotfix]
    FollowUp.objects.bulk_create(
        FollowUp(promotion=row, due_at=NOW + timedelta(hours=made.rng.randrange(-48, 24)))
        for row in done
    )
