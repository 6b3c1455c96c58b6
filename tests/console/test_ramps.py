"""Ramps on the board, the stage's page and the promotion's."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from infra import clock
from releases.models import Guardrail, Promotion, Stage
from tests import builders
from tests.builders import Cast
from tests.console.visits import signed_in
from tests.releases import live, rollout, story
from tests.releases.rollout import begun, candidate, incumbent, shares

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def to(cast: Cast) -> Stage:
    steps = ({"percent": 10, "approval": True}, {"percent": 60, "for": "90m"})
    made = rollout.stage(*steps, guardrails=[live.RATIO])
    begun(cast, made, "one", "two")
    Guardrail.objects.update(looked_at=clock.now(), sentence="error rate: too early to tell.")
    return made


def text_of(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_every_page_says_how_far_the_ramp_is_and_what_it_waits_for(to: Stage) -> None:
    client = signed_in("release_manager")
    promotion = Promotion.objects.get(checkpoint__name="two")
    said = "Step 1 of 2: 10 % of the units. Waits for a release manager to let it go on."
    for page in (
        text_of(client, "console-board"),
        text_of(client, "console-stage", to.pk),
        text_of(client, "console-promotion", promotion.pk),
    ):
        assert said in page
    stage = text_of(client, "console-stage", to.pk)
    assert "error rate: too early to tell." in stage and "for 90 min" in stage
    assert "Roll back to one" in stage and "two stops and is held" in stage


def test_a_release_manager_lets_a_step_go_on_from_the_stage(to: Stage) -> None:
    path = reverse("console-stage", args=[to.pk])
    body = {"do": "approve_step", "id": str(candidate(to).pk), "step": 1, "comment": "fine"}
    refused = signed_in("release_manager").post(path, body)
    assert refused.status_code == 403 and "somebody else" in refused.content.decode()
    done = signed_in("second_release_manager").post(path, body, follow=True)
    assert "two serves 60 % from now on." in done.content.decode()
    assert shares(to)["two"] == ("candidate", 60)


def test_a_held_back_ramp_is_ended_from_the_stage(cast: Cast) -> None:
    to = story.stage(story.MANUAL, holdback=10)
    begun(cast, to, "one", "two")
    client, path = signed_in("release_manager"), reverse("console-stage", args=[to.pk])
    assert "End the ramp" in client.get(path).content.decode()
    body = {"do": "end_ramp", "id": str(candidate(to).pk), "reason": "good"}
    done = client.post(path, body, follow=True)
    assert "is the incumbent of chat/closed-alpha" in done.content.decode()
    assert incumbent(to).checkpoint.name == "two"


def test_a_demotion_of_the_incumbent_says_who_takes_over(to: Stage) -> None:
    client, path = signed_in("release_manager"), reverse("console-stage", args=[to.pk])
    assert "the candidate takes over with 100 %" in client.get(path).content.decode()
    body = {"do": "demote", "id": str(incumbent(to).pk), "reason": "leaks"}
    assert "two serves everybody" in client.post(path, body, follow=True).content.decode()


def test_a_promotion_says_that_it_begins_beside_the_incumbent(cast: Cast) -> None:
    to = rollout.stage()
    begun(cast, to, "one")
    promotion = story.requested(cast.engineer, rollout.named("two"), to)
    page = text_of(signed_in("release_manager"), "console-promotion", promotion.pk)
    assert "two goes live in closed-alpha beside one with 10 %" in page


def test_an_auditor_sees_the_ramp_and_no_button(to: Stage) -> None:
    page = text_of(signed_in("auditor"), "console-stage", to.pk)
    assert "Step 1 of 2" in page and "Let it go on now" not in page
