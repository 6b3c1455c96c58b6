"""Which gates a changed policy touches, by table; and the freezes that files place."""

from __future__ import annotations

from typing import Any

import pytest

from infra.actors import Actor
from releases.models import Freeze, PipelineVersion
from releases.policy.drift import drift
from releases.selectors.pipelines import stage_named
from releases.services.pipelines import Plan, apply_pipelines
from tests import builders

FLOOR = {"id": "floor", "kind": "eval_floor", "shadow": False, "suite": "sql", "at_least": 0.5}
RATE = {"id": "rate", "kind": "error_rate", "shadow": False, "at_most": 0.1}
SOAK = {"id": "soak-1", "kind": "soak", "shadow": False, "stage": "alpha", "soak": "24h"}
BEFORE: dict[str, Any] = {
    "gates": [SOAK, FLOOR, RATE],
    "after": {"all": [{"stage": "alpha", "soak": "24h"}]},
    "approvals": {"required": 1},
}


@pytest.mark.parametrize(
    ("name", "change", "changed", "removed", "added"),
    [
        ("nothing", {}, [], (), []),
        ("approvals", {"approvals": {"required": 2}}, [], (), []),
        ("ramp", {"ramp": [{"percent": 10}], "holdback": 10, "guardrails": []}, [], (), []),
        ("a value", {"gates": [SOAK, {**FLOOR, "at_least": 0.6}, RATE]}, ["floor"], (), []),
        ("a shadow", {"gates": [SOAK, {**FLOOR, "shadow": True}, RATE]}, ["floor"], (), []),
        ("a kind", {"gates": [SOAK, {**FLOOR, "kind": "eval_fresh"}, RATE]}, ["floor"], (), []),
        ("an option less", {"gates": [SOAK, {"id": "floor", "kind": "eval_floor"}, RATE]},
         ["floor"], (), []),
        ("the order", {"gates": [RATE, FLOOR, SOAK]}, [], (), []),
        ("one less", {"gates": [SOAK, RATE]}, [], ("floor",), []),
        ("one more", {"gates": [SOAK, FLOOR, RATE, {**FLOOR, "id": "new"}]}, [], (), ["new"]),
        ("another name", {"gates": [SOAK, {**FLOOR, "id": "new"}, RATE]}, [], ("floor",), ["new"]),
        ("a longer soak", {"gates": [{**SOAK, "soak": "48h"}, FLOOR, RATE]}, ["soak-1"], (), []),
        ("another way in", {"after": {"all": [{"stage": "beta"}]}}, ["rate"], (), []),
        ("another stage", {"gates": [SOAK, FLOOR, {**RATE, "stage": "beta"}]}, ["rate"], (), []),
    ],
)  # fmt: skip
def test_a_gate_is_touched_by_its_own_definition_alone(
    name: str,
    change: dict[str, Any],
    changed: list[str],
    removed: tuple[str, ...],
    added: list[str],
) -> None:
    found = drift(BEFORE, {**BEFORE, **change})
    assert [gate.id for gate in found.changed] == changed
    assert found.removed == removed
    assert [gate.id for gate in found.added] == added


def test_a_live_gate_that_names_its_stage_does_not_move_with_the_way_in() -> None:
    gates = {"gates": [SOAK, {**RATE, "stage": "alpha"}]}
    after = {"after": {"all": [{"stage": "beta"}]}}
    assert drift({**BEFORE, **gates}, {**BEFORE, **gates, **after}).changed == ()


FILE = """\
kind: Pipeline
name: chat
family: chat
freezes:
  - {name: winter, starts: "2026-12-20T00:00", for: 14d, time_zone: Europe/Berlin, reason: Rest.}
stages:
  - name: alpha
    gates: [{kind: artifact}]
    freezes:
      - name: nights
        starts: 2026-01-01T18:00:00
        for: 14h
        rule: FREQ=DAILY
        except: ["2026-02-02"]
        time_zone: America/New_York
        reason: Nobody is there.
        owner: release_manager
"""


@pytest.fixture
def manager(db: None) -> Actor:
    return builders.cast().release_manager


def apply(actor: Actor, text: str = FILE, *, plan: bool = False) -> Plan:
    return apply_pipelines(actor=actor, files={"chat.yaml": text}, plan=plan)


def sentences(plan: Plan) -> list[str]:
    return [c.sentence for c in plan.pipelines[0].changes if c.part == "freeze"]


def test_a_file_places_its_freezes(manager: Actor) -> None:
    assert sentences(apply(manager, plan=True)) == [
        "Every stage: freeze winter is new: from 2026-12-20T00:00:00 (Europe/Berlin) for 14d.",
        "alpha: freeze nights is new: from 2026-01-01T18:00:00 (America/New_York) for 14h, "
        "FREQ=DAILY.",
    ]
    assert not Freeze.objects.exists()
    apply(manager)
    winter, nights = Freeze.objects.get(name="winter"), Freeze.objects.get(name="nights")
    assert (winter.pipeline.name, winter.stage, winter.starts) == (
        "chat",
        None,
        "2026-12-20T00:00:00",
    )
    assert (nights.pipeline, nights.stage, nights.rule) == (
        None,
        stage_named("alpha"),
        "FREQ=DAILY",
    )
    assert nights.owner is not None and nights.owner.name == "Release Manager"
    assert nights.except_dates == ["2026-02-02"]
    assert winter.from_file and nights.from_file


def test_an_unchanged_freeze_stays_and_a_changed_one_has_a_successor(manager: Actor) -> None:
    apply(manager)
    kept = Freeze.objects.get(name="winter")
    done = apply(manager, FILE.replace("for: 14h", "for: 12h"))
    assert sentences(done) == ["alpha: freeze nights changes: lasts 14h → 12h."]
    assert Freeze.objects.get(name="winter") == kept
    old, new = Freeze.objects.filter(name="nights").order_by("placed_at")
    assert (old.lasts, old.ended_at is not None) == ("14h", True)
    assert (new.lasts, new.ended_at) == ("12h", None)
    assert sentences(apply(manager, FILE.replace("for: 14h", "for: 12h"))) == []
    assert Freeze.objects.count() == 3


def test_a_freeze_that_leaves_the_file_ends(manager: Actor) -> None:
    apply(manager)
    done = apply(manager, FILE[: FILE.index("    freezes:")])
    assert sentences(done) == ["alpha: freeze nights is ended."]
    assert Freeze.objects.get(name="nights").ended_at is not None
    assert Freeze.objects.get(name="winter").ended_at is None


def test_a_freeze_that_a_person_placed_is_not_the_files(manager: Actor) -> None:
    apply(manager)
    own = Freeze.objects.create(
        stage=stage_named("alpha"),
        name="launch",
        starts="2026-03-01T00:00:00",
        lasts="2d",
        time_zone="UTC",
        reason="The launch.",
        placed_at=builders.NOW,
    )
    apply(manager, FILE.replace("for: 14h", "for: 12h"))
    own.refresh_from_db()
    assert own.ended_at is None


def test_a_freeze_is_a_version_of_its_own(manager: Actor) -> None:
    apply(manager)
    before = stage_named("alpha").policy_digest
    apply(manager, FILE.replace("for: 14d", "for: 15d"))
    assert PipelineVersion.objects.count() == 2
    assert stage_named("alpha").policy_digest == before
