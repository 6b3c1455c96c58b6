"""A proposed policy over past promotions: which flip, for which reason, who was exposed."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from alpha.services import grants, keys, partners
from evals.models import SuiteVersion
from infra import clock
from infra.actors import system
from infra.errors import InvalidInput
from infra.ids import uuid7
from releases.models import Promotion, Release, Stage
from releases.services import promotions
from releases.services.backtests import Backtest, backtest
from releases.states import PromotionState, Vote
from tests import builders as shared
from tests.alpha.builders import ACTOR, month_of, usage_event
from tests.builders import NOW, Cast
from tests.console.world import completed
from tests.evals import builders
from tests.releases import rollout, story
from tests.untouched import footprint

pytestmark = pytest.mark.django_db
N_PAST = 32
FLOOR = {"id": "floor", "kind": "eval_floor", "suite": "echo", "at_least": 0.3}
FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: internal
    gates: [{gates}]
    {approvals}
"""
MANUAL = '{id: manual-1, kind: manual, question: "Does the tone fit?", role: engineer}'
ONE = "approvals: {required: 1, groups: [release-managers]}"


def floor(at_least: float) -> str:
    return f"{{id: floor, kind: eval_floor, suite: echo, at_least: {at_least}}}"


def proposed(*gates: str, approvals: str = ONE) -> dict[str, str]:
    text = FILE.replace("{gates}", ", ".join(gates)).replace("{approvals}", approvals)
    return {"proposed.yaml": text}


class Past:
    """Every day one more: good ones and half-right ones go, bad ones expire, some are rejected."""

    def __init__(self) -> None:
        with clock.frozen_at(NOW):
            self.cast: Cast = shared.cast()
            self.stage: Stage = story.stage(FLOOR, story.MANUAL, name="internal")
            self.version: SuiteVersion = builders.published(60)
            self.partner = partners.make_partner(
                actor=ACTOR, name="acme", contact_email="a@b.example"
            )
            self.grant = grants.make_grant(actor=ACTOR, stage=self.stage, partner=self.partner)
        self.key, _ = keys.issue_key(actor=ACTOR, partner=self.partner)
        for day in range(N_PAST):
            with clock.frozen_at(self.day(day)):
                self._one(day)

    def day(self, number: float) -> datetime:
        return NOW + timedelta(days=number)

    def _one(self, day: int) -> None:
        kind = ("good", "half", "bad", "vetoed")[day % 4]
        share = {"good": 0.97, "half": 0.6, "bad": 0.05, "vetoed": 0.97}[kind]
        checkpoint = rollout.named(f"{kind}-{day}")
        shared.deployment(checkpoint)
        completed(self.version, checkpoint, share)
        if kind in ("good", "half"):
            done = story.promoted(self.cast, checkpoint, self.stage)
            assert done.state == PromotionState.PROMOTED
            return
        asked = story.requested(self.cast.release_manager, checkpoint, self.stage)
        if kind == "vetoed":
            promotions.vote(
                actor=self.cast.second_release_manager,
                promotion=asked,
                choice=Vote.REJECT,
                comment="It feels off.",
            )
            return
        promotions.answer_gate(
            actor=self.cast.engineer,
            promotion=asked,
            gate_id="manual-1",
            yes=True,
            comment="It does.",
        )
        with clock.frozen_at(self.day(day + 8)):
            promotions.evaluate_promotion(actor=system("scheduler"), promotion=asked)
        assert Promotion.objects.get(pk=asked.pk).state == PromotionState.EXPIRED

    def called(self, name: str, n_requests: int) -> None:
        """Requests that the release of that checkpoint served."""
        release = Release.objects.select_related("checkpoint").get(checkpoint__name=name)
        of: Any = type("Of", (), {})()
        of.partner, of.key, of.grant, of.stage = self.partner, self.key, self.grant, self.stage
        of.release, of.checkpoint = release, release.checkpoint
        of.deployment = release.checkpoint.deployments.get()
        of.codename = type("Name", (), {"name": "quasar"})
        for _ in range(n_requests):
            request_id = uuid7()
            usage_event(of, request_id, month=month_of(request_id), started_at=release.started_at)


@pytest.fixture
def past() -> Past:
    return Past()


def flipped(found: Backtest) -> list[str]:
    return sorted(row.promotion.checkpoint.name for row in found.flips)


def would(found: Backtest) -> dict[str, set[str]]:
    """Kind of checkpoint -> what the proposed policy would have made of them."""
    told: dict[str, set[str]] = {}
    for row in found.rows:
        kind = row.promotion.checkpoint.name.split("-")[0]
        told.setdefault(kind, set()).add(row.retold.would.value)
    return told


@pytest.mark.long
def test_past_promotions_are_judged_by_a_proposed_policy(past: Past, tmp_path: Path) -> None:
    past.called("half-1", 3)
    before = footprint()
    _the_same_policy_flips_nothing()
    _a_higher_floor_flips_the_half_right_ones(past)
    _what_was_never_recorded_is_unknown_and_never_passes()
    _another_quorum_flips_all_that_went()
    _without_approvals_what_expired_would_have_gone(past)
    _what_rows_tell_of_then_is_gathered_as_of_then(past)
    _the_command_prints_it(tmp_path)
    assert footprint() == before


def _the_same_policy_flips_nothing() -> None:
    found = backtest(files=proposed(floor(0.3), MANUAL))
    assert len(found.rows) == N_PAST >= 30
    assert flipped(found) == []
    assert would(found) == {"good": {"go"}, "half": {"go"}, "bad": {"wait"}, "vetoed": {"wait"}}


def _a_higher_floor_flips_the_half_right_ones(past: Past) -> None:
    found = backtest(files=proposed(floor(0.8), MANUAL), stage="chat/internal")
    assert flipped(found) == sorted(f"half-{day}" for day in range(1, N_PAST, 4))
    by_name = {row.promotion.checkpoint.name: row for row in found.flips}
    for row in found.flips:
        assert row.found["floor"].value == "recorded"
        (reason, *_) = row.retold.unmet
        assert (reason.gate_id, reason.outcome.value) == ("floor", "fail")
        assert "floor 80%" in reason.sentence
    (seen,) = by_name["half-1"].exposures
    assert (seen.partner, seen.n_requests) == ("acme", 3)
    assert list(by_name["half-5"].exposures) == []
    assert by_name["half-1"].lived == timedelta(days=3)


def _what_was_never_recorded_is_unknown_and_never_passes() -> None:
    exposure = "{kind: exposure, stage: internal, partners: 1, days: 1, requests: 1}"
    veto = "{kind: sign_off, role: behaviour-reviewer, question: 'Odd?'}"
    for new in (exposure, veto):
        found = backtest(files=proposed(floor(0.3), MANUAL, new))
        assert flipped(found) == []
        assert would(found)["good"] == would(found)["half"] == {"unknown"}
        (reason, *_) = next(r for r in found.rows if r.retold.went).retold.unmet
        assert "no evidence of this kind was recorded" in reason.sentence
    shadow = exposure.replace("{kind", "{shadow: true, kind")
    assert would(backtest(files=proposed(floor(0.3), MANUAL, shadow)))["good"] == {"go"}
    stricter = backtest(files=proposed(floor(0.8), MANUAL, exposure))
    assert would(stricter)["half"] == {"wait"}


def _another_quorum_flips_all_that_went() -> None:
    two = "approvals: {required: 2, groups: [release-managers]}"
    found = backtest(files=proposed(floor(0.3), MANUAL, approvals=two))
    assert len(found.flips) == N_PAST // 2
    assert {r.code for row in found.flips for r in row.retold.unmet} == {"approvals_missing"}


def _without_approvals_what_expired_would_have_gone(past: Past) -> None:
    longer = "approvals: {required: 0, expires: 30d}"
    found = backtest(files=proposed(floor(0.001), MANUAL, approvals=longer))
    assert {name.split("-")[0] for name in flipped(found)} == {"bad"}
    for row in found.flips:
        assert (row.retold.went, row.retold.would.value) == (False, "go")
        assert (list(row.reachable), list(row.exposures)) == (["acme"], [])


def _what_rows_tell_of_then_is_gathered_as_of_then(past: Past) -> None:
    no_worse = (
        "{id: no-worse, kind: eval_no_regression, suite: echo, "
        "baseline: {stage: internal}, margin: 0.1}"
    )
    found = backtest(files=proposed(floor(0.3), MANUAL, no_worse))
    rows = {row.promotion.checkpoint.name: row for row in found.rows}
    assert rows["good-0"].retold.would.value == "unknown"
    half = rows["half-1"]
    assert half.found["no-worse"].value == "as of then"
    assert (half.retold.flips, half.retold.unmet[0].gate_id) == (True, "no-worse")
    assert "half-1 against good-0" in half.retold.unmet[0].sentence
    fresh = backtest(files=proposed(floor(0.3), MANUAL, "{kind: eval_fresh, suite: echo}"))
    assert flipped(fresh) == []
    assert would(fresh)["good"] == {"go"}


def _the_command_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "proposed.yaml"
    path.write_text(proposed(floor(0.8), MANUAL)["proposed.yaml"])
    out = io.StringIO()
    call_command("backtest", "-f", str(path), "--stage", "internal", stdout=out)
    told = out.getvalue()
    assert told.count("FLIPS ") == N_PAST // 4
    assert "half-1 to chat/internal: went, would not have gone" in told
    assert "floor [recorded]: " in told
    assert "exposed: acme, 3 requests" in told
    assert "served for 72 h" in told
    assert "32 past promotions: 8 flip, 0 unknown. Nothing was written." in told
    out = io.StringIO()
    call_command("backtest", "-f", str(path), "--json", stdout=out)
    assert json.loads(out.getvalue())["n_flips"] == N_PAST // 4
    with pytest.raises(InvalidInput, match="no stage 'nowhere'"):
        backtest(files=proposed(floor(0.8)), stage="nowhere")
    with pytest.raises(InvalidInput, match="proposed.yaml:6"):
        backtest(files=proposed("{kind: x}"))
