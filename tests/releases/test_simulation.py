"""What would happen, told without a trace."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from infra import clock
from infra.errors import InvalidInput
from infra.models import User
from releases.models import Checkpoint, Stage
from releases.services import holds
from releases.services.simulation import simulate
from releases.states import Outcome
from tests import builders
from tests.builders import NOW, Cast
from tests.releases import rollout, story
from tests.untouched import footprint

pytestmark = pytest.mark.django_db
STEPS = [
    {"percent": 10, "for": "2h"},
    {"percent": 50, "for": "6h", "approval": True, "monitored": True},
]


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to(cast: Cast) -> Stage:
    """`one` has been live there since an hour; `internal`, upstream, holds `two`."""
    found = rollout.stage(*STEPS, holdback=20)
    upstream = story.stage(story.MANUAL, name="internal")
    with at(-1):
        rollout.begun(cast, found, "one")
    with at(0):
        rollout.begun(cast, upstream, "two")
    soak = {"id": "soak-1", "kind": "soak", "stage": "internal", "soak": "24h"}
    found.policy = {**found.policy, "gates": [soak, story.MANUAL, story.SIGN_OFF]}
    found.save(update_fields=["policy"])
    return found


def at(hours: float) -> Any:
    return clock.frozen_at(moment(hours))


def moment(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def two() -> Checkpoint:
    return Checkpoint.objects.get(name="two")


def test_it_writes_nothing(cast: Cast, to: Stage) -> None:
    before = footprint()
    with at(1):
        simulate(checkpoint=two(), stage=to, at=moment(30), viewer=cast.engineer)
    assert footprint() == before


def test_every_reason_is_told_and_who_would_be_asked(cast: Cast, to: Stage) -> None:
    with at(1):
        found = simulate(checkpoint=two(), stage=to)
    said = {reason.gate_id: reason for reason in found.decision.reasons}
    assert list(said) == ["soak-1", "manual-1", "sign_off-1", "approvals"]
    assert said["soak-1"].outcome is Outcome.INCONCLUSIVE
    assert said["soak-1"].clears_at == moment(24)
    assert [(q.gate_id, list(q.groups), list(q.persons)) for q in found.asked] == [
        ("manual-1", ["engineers"], ["Engineer"]),
        ("sign_off-1", ["behaviour-reviewers"], ["Behaviour Reviewer"]),
        ("approvals", ["release-managers"], ["Release Manager", "Second Release Manager"]),
    ]
    assert "it would wait: soak-1" in found.sentence and "(and 3 more)" in found.sentence
    assert (found.refusals, found.goes_live_at, found.open_promotion) == ([], None, None)


def test_a_later_moment_is_judged_as_of_then(cast: Cast, to: Stage) -> None:
    with at(1):
        early = simulate(checkpoint=two(), stage=to, at=moment(23.9)).decision
        late = simulate(checkpoint=two(), stage=to, at=moment(24)).decision
    assert [d.reasons[0].outcome.value for d in (early, late)] == ["inconclusive", "pass"]


def test_a_moment_that_is_past_is_refused(to: Stage) -> None:
    with at(1), pytest.raises(InvalidInput, match="looks ahead"):
        simulate(checkpoint=two(), stage=to, at=moment(0))


def test_the_ramp_is_told_by_time(cast: Cast, to: Stage) -> None:
    soak = {"id": "soak-1", "kind": "soak", "stage": "internal", "soak": "24h"}
    to.policy = {**to.policy, "gates": [soak], "approvals": {}}
    to.save(update_fields=["policy"])
    with at(1):
        found = simulate(checkpoint=two(), stage=to)
    assert found.goes_live_at == moment(24)
    assert [(r.checkpoint.name, r.arm, r.share) for r in found.replaces] == [
        ("one", "incumbent", 100)
    ]
    assert [(s.percent, s.starts_at, list(s.waits)) for s in found.steps] == [
        (10, moment(24), []),
        (50, moment(26), []),
        (80, moment(32), ["a release manager lets it go on", "every guardrail is safe"]),
    ]


def test_where_nothing_is_live_it_would_serve_everybody_at_once(cast: Cast) -> None:
    empty = rollout.stage(*STEPS, name="production")
    with at(1):
        found = simulate(checkpoint=rollout.named("first"), stage=empty)
    assert [(s.percent, s.after) for s in found.steps] == [(100, "at once")]
    assert found.replaces == []


def test_rights_are_those_of_the_person(cast: Cast, to: Stage) -> None:
    table = [
        (cast.engineer, [], ["own_checkpoint", "not_permitted"]),
        (cast.release_manager, [], []),
        (cast.auditor, ["not_permitted"], ["not_permitted"]),
    ]
    for viewer, request, approve in table:
        with at(1):
            rights = simulate(checkpoint=two(), stage=to, viewer=viewer).rights
        assert rights is not None
        assert [reason.code for reason in rights.request] == request
        assert [reason.code for reason in rights.approve] == approve


def test_what_refuses_the_request_is_told(cast: Cast, to: Stage) -> None:
    holds.place_hold(actor=cast.release_manager, checkpoint=two(), reason="odd")
    with at(1):
        held = simulate(checkpoint=two(), stage=to)
        live = simulate(checkpoint=Checkpoint.objects.get(name="one"), stage=to)
    assert [refusal.code for refusal in held.refusals] == ["held"]
    assert "the request would be refused: two is held" in held.sentence
    assert [refusal.code for refusal in live.refusals] == ["already_live"]
    assert live.goes_live_at is None


def test_an_open_request_is_judged_with_its_own_answers_and_policy(cast: Cast, to: Stage) -> None:
    with at(1):
        promotion = story.requested(cast.release_manager, two(), to)
        rival = story.requested(cast.release_manager, rollout.named("three"), to)
        before = footprint()
        found = simulate(checkpoint=two(), stage=to, viewer=cast.release_manager)
        later = simulate(checkpoint=rollout.named("four"), stage=to, at=moment(2))
    assert found.open_promotion == promotion
    assert found.rights is not None
    assert [reason.code for reason in found.rights.approve] == ["own_request"]
    assert {p.pk for p in later.supersedes} == {promotion.pk, rival.pk}
    after = footprint()
    assert {name for name in after if after[name] != before[name]} == {"checkpoint"}


def test_api_command_and_page_tell_the_same(
    cast: Cast, to: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    client = APIClient()
    client.force_login(User.objects.get(username="release_manager"))
    before = footprint()
    with at(1):
        address = f"/api/stages/{to.pk}/simulation/"
        body = client.get(address, {"checkpoint": "two", "at": moment(25).isoformat()}).json()
        call_command("simulate", "two", "closed-alpha", "--at", moment(25).isoformat())
        told = capsys.readouterr().out
        asked = {"checkpoint": two().pk, "stage": to.pk, "at": "2026-03-03T10:00"}
        page = client.get("/console/simulate/", asked).content.decode()
    assert body["sentence"] in told
    assert [reason["gate_id"] for reason in body["reasons"]][0] == "soak-1"
    for question in body["asked"]:
        assert ", ".join(question["persons"]) in told
        assert ", ".join(question["persons"]) in page
    assert "You may request it." in page and "You may approve it." in page
    changed = {name for name, digest in footprint().items() if digest != before[name]}
    assert changed <= {"django_session", "infra_user"}


def test_another_persons_rights_are_told_to_managers_and_auditors_alone(
    cast: Cast, to: Stage
) -> None:
    client = APIClient()
    asked = {"checkpoint": "two", "user": "engineer"}
    for login, status in (("auditor", 200), ("engineer", 403)):
        client.force_login(User.objects.get(username=login))
        with at(1):
            response = client.get(f"/api/stages/{to.pk}/simulation/", asked)
        assert response.status_code == status
