"""The pages on which a decision is made and defended: promotion, comparison, suite, checkpoint."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from evals.selectors.dead_cases import dead_cases
from releases.models import DecisionRecord
from releases.services.promotions import answer_gate
from tests.console.visits import signed_in
from tests.console.world import CANARY, World


@pytest.fixture
def auditor(world: World) -> Client:
    return signed_in("auditor")


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return answer.content.decode()


def test_a_decided_promotion_is_shown_as_it_was_seen(auditor: Client, world: World) -> None:
    record = DecisionRecord.objects.get(promotion=world.decided)
    path = reverse("console-promotion", args=[world.decided.pk])
    shown = page(auditor, path)
    assert "the same outcomes, verdict and hash" in shown
    assert "What its gates say today" in shown and "Approve</button>" not in shown
    assert shown.count("Shown as it was decided") == 1
    assert "Shown as it was decided" in page(auditor, f"{path}?decision={record.pk}")
    assert "Shown as it was decided" not in page(auditor, f"{path}?now")
    page(auditor, f"{path}?decision=nonsense", 404)


def test_the_page_names_the_effect_and_what_would_clear_a_gate(world: World) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    shown = page(signed_in("second_release_manager"), path)
    assert "1 partner moves from chat-nano-1 to" in shown and "quasar-alpha" in shown
    assert "An answer of behaviour-reviewer clears it." in shown
    assert "3</b> of 4 gates clear" in shown
    assert reverse("console-comparison", args=[world.comparison.pk]) in shown


def test_it_waits_for_those_alone_who_may_answer(world: World) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    said = {name: page(signed_in(name), path) for name in ("behaviour_reviewer", "auditor")}
    assert "Waits for you:" in said["behaviour_reviewer"]
    assert "Waits for you:" not in said["auditor"]
    answer_gate(
        actor=world.cast.behaviour_reviewer,
        promotion=world.waiting,
        gate_id="sign_off-1",
        yes=True,
        comment="It fits.",
    )
    may, requester = (
        page(signed_in(name), path) for name in ("second_release_manager", "release_manager")
    )
    assert "Waits for you:" in may and "With your approval, now:" in may
    assert "Waits for you:" not in requester


def test_a_comment_is_posted_and_is_only_text(auditor: Client, world: World) -> None:
    path = reverse("console-promotion", args=[world.waiting.pk])
    assert auditor.post(path, {"do": "comment", "text": CANARY}).status_code == 302
    shown = page(auditor, path)
    assert "sw-said" in shown and "<img src=x" not in shown
    assert auditor.post(path, {"do": "comment", "text": " "}).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("sort=worst&only=worse&within=echo", 200),
        ("sort=nonsense&only=nonsense&way=nonsense&page=nonsense", 200),
        ("find=no-such-case", 200),
        ("case=no-such-case", 404),
        ("within=no-such", 404),
        ("node=no-such", 404),
    ],
)
def test_every_view_of_a_comparison_has_its_address(
    auditor: Client, world: World, query: str, status: int
) -> None:
    path = reverse("console-comparison", args=[world.comparison.pk])
    page(auditor, f"{path}?{query}", status)


def test_next_walks_through_every_case_that_moved(auditor: Client, world: World) -> None:
    path = reverse("console-comparison", args=[world.comparison.pk])
    address, seen = "?node=echo.first&way=lost", list[str]()
    while address:
        shown = page(auditor, f"{path}{address}")
        seen += re.findall(r'id="case-name">([^<]+)<', shown)
        onward = re.search(r'rel="next" href="([^"#]+)#case"', shown)
        address = onward.group(1).replace("&amp;", "&") if onward else ""
    assert len(seen) == len(set(seen)) > 2
    assert f"{len(seen)} of {len(seen)}" in shown


def test_dead_cases_are_those_on_which_nobody_differs(auditor: Client, world: World) -> None:
    family = world.incumbent.family
    found = dead_cases(world.suite, family.pk, "nano")
    assert found is not None and found.n_checkpoints == 2
    assert found.passed_by_all and found.failed_by_all and not found.same
    path = reverse("console-suite", args=["echo"])
    shown = page(auditor, f"{path}?dead={family.name}%20nano")
    assert f"Passed by all: {len(found.passed_by_all)}" in shown
    assert "Dead cases for" not in page(auditor, f"{path}?dead=nonsense")


def test_suites_checkpoint_and_frontier_say_what_they_draw(auditor: Client, world: World) -> None:
    assert "Dies next:" in page(auditor, reverse("console-suites"))
    checkpoint = page(auditor, reverse("console-checkpoint", args=[world.candidate.pk]))
    assert "2 checkpoints, the first ancestor on top" in checkpoint
    assert "Forecasts against observed" in checkpoint
    frontier = page(auditor, reverse("console-frontier"))
    assert "Quality against cost" in frontier and "Quality against latency" in frontier
