"""Console, API, command line and scheduler say the same of a promotion, in the same order.

Over more than a thousand generated states; in batches, as the rows of one database are read.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from infra import clock
from infra.actors import system
from infra.models import User
from infra.people import actor_of_login
from infra.roles import Role
from releases import evidence
from releases.api.promotion_bodies import detail_body
from releases.console.promotion import PromotionPage
from releases.digests import plain_json
from releases.gates.terms import gates_of
from releases.management.commands.promotion import told
from releases.models import Promotion
from releases.promotions import GateReason, decide
from releases.selectors.facts import facts_of_all, subject_of
from releases.selectors.promotions import (
    PromotionDetail,
    as_refusal_reason,
    promotion_details,
    promotion_with_id,
)
from releases.services import promotions as services
from releases.states import OPEN_PROMOTIONS, Outcome, PromotionState
from tests import builders
from tests.builders import NOW
from tests.clients import signed_in
from tests.releases.generated import Source, World, world

SEEDS = (3, *(pytest.param(seed, marks=pytest.mark.long) for seed in (11, 20, 41)))
N_STATES = 264
N_LOOKED_AT = 8
COMMON = "gate_id outcome code sentence observed required".split()
Said = list[dict[str, Any]]


@pytest.fixture
def sources(settings: Any) -> Iterator[None]:
    """Evidence as it was generated, from the sources that the scheduler asks."""
    settings.EVIDENCE_SOURCES = ["tests.releases.generated.Source"]
    evidence._standing_sources.cache_clear()
    yield
    evidence._standing_sources.cache_clear()


@pytest.fixture
def auditor(db: None) -> User:
    return builders.login("auditor", Role.AUDITOR)


@pytest.mark.parametrize("seed", SEEDS)
def test_four_callers_give_the_same_reasons_in_the_same_order(
    seed: int, auditor: User, sources: None
) -> None:
    with clock.frozen_at(NOW):
        made = world(seed, N_STATES)
        with CaptureQueriesContext(connection) as queries:
            details = promotion_details(made.promotions, NOW)
        assert len(queries) < 40
        scheduled = _scheduled(made)
        for detail in details:
            said = _said(detail.decision.reasons)
            assert _api(detail) == said
            assert _command(detail) == said
            assert _page(auditor, detail) == said
            if detail.promotion.pk in scheduled:
                assert _said(scheduled[detail.promotion.pk]) == said
        _must_be_varied(made, details)
        for row in _a_few(made):
            _must_look_alike(row, auditor)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_every_page_body_and_command_of_its_own_says_the_same(
    seed: int, auditor: User, sources: None
) -> None:
    with clock.frozen_at(NOW):
        for row in world(seed, N_STATES).promotions:
            _must_look_alike(row, auditor)


def _scheduled(made: World) -> dict[Any, Sequence[GateReason]]:
    """What the scheduler's look decides, where it finds the evidence that was judged before."""
    rows = [
        row
        for row in made.promotions
        if row.state in OPEN_PROMOTIONS and row.pk not in made.unsettled
    ]
    facts = facts_of_all(rows, NOW, made.evidence)
    return {row.pk: decide(facts[row.pk], NOW).reasons for row in rows}


def _a_few(made: World) -> list[Promotion]:
    """Some of every kind of state, the ones that the scheduler has to judge anew among them."""
    anew = [row for row in made.promotions if row.pk in made.unsettled]
    return [*anew[: N_LOOKED_AT // 2], *made.promotions[: N_LOOKED_AT // 2]]


def _must_look_alike(row: Promotion, auditor: User) -> None:
    """After the scheduler's own look: its recorded decision, the page, the body and the command."""
    services.evaluate_promotion(actor=system("scheduler"), promotion=row, fresh=False)
    now = promotion_with_id(row.pk)
    if now.state in OPEN_PROMOTIONS:
        gates = evidence.gather_all(gates_of(now.policy), subject_of(now), NOW, fresh=False)
        reasons = decide(facts_of_all([now], NOW, {now.pk: gates})[now.pk], NOW).reasons
    else:
        reasons = promotion_details([now], NOW)[0].decision.reasons
    said = _said(reasons)
    body = signed_in(auditor.username).get(f"/api/promotions/{row.pk}/").json()
    out = StringIO()
    call_command("promotion", "show", str(row.pk), "--json", stdout=out)
    assert _shared(body["reasons"]) == said
    assert _shared(json.loads(out.getvalue())["reasons"]) == said
    assert _sentences_of_page(auditor, row) == [" ".join(one["sentence"].split()) for one in said]


def _said(reasons: Sequence[GateReason]) -> Said:
    return _shared(
        [{**as_refusal_reason(reason).as_dict(), "shadow": reason.shadow} for reason in reasons]
    )


def _api(detail: PromotionDetail) -> Said:
    return _shared(json.loads(json.dumps(detail_body(detail)["reasons"], default=str)))


def _command(detail: PromotionDetail) -> Said:
    return _shared(json.loads(json.dumps(told(detail.promotion, detail.decision)))["reasons"])


def _shared(reasons: Said) -> Said:
    """What the API's reasons and the command's have in common, written alike."""
    return [_plain(reason) for reason in reasons]


def _plain(reason: dict[str, Any]) -> dict[str, Any]:
    clears_at = reason["clears_at"]
    return {
        **{name: plain_json(reason[name]) for name in (*COMMON, "shadow")},
        "owner": reason["owner"] or "",
        "clears_at": datetime.fromisoformat(str(clears_at)) if clears_at else None,
    }


def _page(auditor: User, detail: PromotionDetail) -> Said:
    """The checklist of the Promotion page, from the top."""
    page = PromotionPage()
    page.promotion = detail.promotion
    page.request = RequestFactory().get("/", {"now": ""})
    page.actor = actor_of_login(auditor)
    lines = page.lines(detail)
    shown = [line.reason for line in lines]
    return _said([*shown, *detail.decision.approvals, *detail.decision.blocks])


_GATE = re.compile(r'class="sw-gate-name"[^>]*>.*?<p>(.*?)</p>', re.S)


def _sentences_of_page(auditor: User, row: Promotion) -> list[str]:
    client = Client()
    client.force_login(auditor)
    answer = client.get(reverse("console-promotion", args=[row.pk]))
    assert answer.status_code == 200
    found = _GATE.findall(answer.content.decode())
    return [" ".join(html.unescape(text).split()) for text in found]


def _must_be_varied(made: World, details: Sequence[PromotionDetail]) -> None:
    """A world in which every state has its reasons; else the comparison would prove little."""
    reasons = [reason for detail in details for reason in detail.decision.reasons]
    outcomes = Counter(reason.outcome for reason in reasons)
    assert set(outcomes) == set(Outcome)
    assert {row.state for row in made.promotions} == {state.value for state in PromotionState}
    codes = {reason.code for reason in reasons}
    assert {"held", "rejected_checkpoint", "frozen", "ramp_running", "set_not_ready"} <= codes
    assert {"hotfix", "waived", "stale", "not_evaluated", "rejected", "approved"} <= codes
    assert {"approvals_missing", "ungated", "evidence_failed", "no_evidence"} <= codes
    assert len(codes) > 25
    assert any(detail.decision.admits for detail in details)
    assert Source.known
