"""Ramps and guardrails over the management API and the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from infra import clock
from infra.roles import Scope
from releases.models import Guardrail, Stage
from releases.services.holds import place_hold
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in, with_key
from tests.releases import live, rollout, story
from tests.releases.rollout import begun, candidate, incumbent, shares

pytestmark = pytest.mark.django_db
ASKING = ({"percent": 10, "approval": True}, {"percent": 60, "for": "1h"})


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to(cast: Cast) -> Stage:
    """`two` waits at 10 % for a person, watched by one guardrail that nobody looked at yet."""
    made = rollout.stage(*ASKING, holdback=5, guardrails=[live.RATIO])
    begun(cast, made, "one", "two")
    Guardrail.objects.update(looked_at=clock.now(), sentence="Too early to tell.")
    return made


def act(username: str, to: Stage, action: str, **body: Any) -> Any:
    path = f"/api/releases/{candidate(to).pk}/ramp/{action}/"
    return signed_in(username).post(path, body, format="json")


def test_a_release_says_how_far_its_ramp_is(to: Stage) -> None:
    body = signed_in("auditor").get(f"/api/releases/{candidate(to).pk}/").json()
    ramp, (rail,) = body["ramp"], body["guardrails"]
    assert (ramp["step"], ramp["n_steps"], ramp["percent"], ramp["next_percent"]) == (1, 2, 10, 60)
    assert (ramp["state"], ramp["waits"], ramp["step_ends_at"]) == ("ramping", ["approval"], None)
    assert ramp["sentence"] == (
        "Step 1 of 2: 10 % of the units. Waits for a release manager to let it go on."
    )
    assert (rail["id"], rail["watch"], rail["action"]) == ("error_rate-1", "watching", "halt")
    other = signed_in("auditor").get(f"/api/releases/{incumbent(to).pk}/").json()
    assert (other["ramp"], other["guardrails"]) == (None, [])


def test_a_step_goes_on_and_a_ramp_ends_over_the_api(to: Stage) -> None:
    answer = act("second_release_manager", to, "approve", comment="looks good", step=1)
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["share"], answer.json()["ramp"]["step"]) == (60, 2)
    again = act("second_release_manager", to, "approve", comment="more")
    assert (again.status_code, again.json()["code"]) == (409, "no_approval_asked")
    early = act("release_manager", to, "end", reason="good")
    assert (early.status_code, early.json()["code"]) == (409, "ramp_not_held_back")
    release = candidate(to)
    release.ramp.step, release.ramp.state = 2, "held_back"
    release.ramp.save(update_fields=["step", "state"])
    ended = act("release_manager", to, "end", reason="good")
    assert (ended.status_code, ended.json()["arm"], ended.json()["share"]) == (
        200,
        "incumbent",
        100,
    )


def test_every_refusal_of_a_step_says_why(cast: Cast, to: Stage) -> None:
    assert act("engineer", to, "approve", comment="go").status_code == 403
    own = act("release_manager", to, "approve", comment="go")
    assert (own.status_code, own.json()["code"]) == (403, "own_request")
    keyed = with_key(cast.release_manager, Scope.PROMOTE).post(
        f"/api/releases/{candidate(to).pk}/ramp/approve/", {"comment": "go"}, format="json"
    )
    assert keyed.status_code == 403
    assert act("second_release_manager", to, "approve").status_code == 400
    stale = act("second_release_manager", to, "approve", comment="go", step=2)
    assert (stale.status_code, stale.json()["code"]) == (409, "step_changed")
    unknown = f"/api/releases/{incumbent(to).pk}/ramp/approve/"
    answer = signed_in("second_release_manager").post(unknown, {"comment": "go"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_ramp")


def test_what_stands_in_the_way_is_listed(cast: Cast, to: Stage) -> None:
    place_hold(actor=cast.engineer, stage=to, reason="odd answers")
    Guardrail.objects.update(looked_at=clock.now() - timedelta(minutes=5))
    body = act("second_release_manager", to, "approve", comment="go on").json()
    assert body["share"] == 10
    assert [reason["code"] for reason in body["ramp"]["reasons"]] == ["held", "guardrail_unseen"]
    assert body["ramp"]["held_up_since"] is not None
    assert "odd answers" in body["ramp"]["sentence"]


def test_lists_cost_the_same_number_of_queries_however_many_ramps(cast: Cast, to: Stage) -> None:
    client = signed_in("auditor")
    paths = ("/api/releases/", "/api/stages/")

    def queries_of(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    before = [queries_of(path) for path in paths]
    for number in range(3):
        other = rollout.stage(*ASKING, name=f"beta-{number}", guardrails=[live.RATIO])
        begun(cast, other, f"old-{number}", f"new-{number}")
    assert [queries_of(path) for path in paths] == before


def manage(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_line_shows_a_ramp_and_moves_it_on(to: Stage) -> None:
    place = ("--stage", "chat/closed-alpha", "--size", "nano")
    shown = json.loads(manage("release", "show", *place, "--json"))
    assert (shown["ramp"]["step"], shown["ramp"]["waits"]) == (1, ["approval"])
    assert shown["guardrails"][0]["guardrail_id"] == "error_rate-1"
    said = manage(
        "release", "approve-step", *place, "--comment", "go", "--by", "second_release_manager"
    )
    assert "candidate 60 %" in said and "Step 2 of 2" in said
    manage("halt", *place, "--arm", "candidate", "--reason", "odd", "--by", "release_manager")
    assert candidate(to).state == "halted" and shares(to)["one"] == ("incumbent", 40)
    held_back = story.stage(story.MANUAL, name="beta", holdback=10)
    begun(builders.cast(), held_back, "three", "four")
    place = ("--stage", "chat/beta", "--size", "nano")
    said = manage("release", "end-ramp", *place, "--reason", "good", "--by", "release_manager")
    assert "incumbent 100 %" in said and shares(held_back) == {"four": ("incumbent", 100)}
