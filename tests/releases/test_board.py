"""The board: what stands where, why the rest waits, and how long it takes."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from infra import clock
from infra.ids import uuid7
from releases.models import Checkpoint, Promotion, Release, Stage
from releases.selectors.board import family_boards
from releases.selectors.promotions import open_promotions
from releases.selectors.releases import queued
from releases.services import holds
from tests import builders
from tests.builders import Cast
from tests.clients import signed_in
from tests.releases import story
from tests.releases.rollout import named

pytestmark = pytest.mark.django_db
SIZES = ("standard", "mini", "nano")


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


def _stage(name: str, *after: str, n: int | None = None) -> Stage:
    branches = [{"stage": one} for one in after]
    wanted = {"k": n, "of": branches} if n else {"all": branches}
    return story.stage(story.MANUAL, name=name, after=wanted if after else {})


def _crowd(n_checkpoints: int, stages: list[Stage]) -> None:
    """Checkpoints of three sizes: some live everywhere, all others queued somewhere."""
    first = Checkpoint.objects.count()
    made = [
        builders.checkpoint(
            f"crowd-{at}", size=SIZES[at % 3], manifest_digest=f"{at:064d}",
            checkpoint_digest=f"{at:064x}",
        )
        for at in range(first, first + n_checkpoints)
    ]  # fmt: skip
    now = clock.now()
    taken = set(Release.objects.filter(ended_at=None).values_list("stage_id", "size"))
    free = [(stage, size) for stage in stages for size in SIZES if (stage.pk, size) not in taken]
    by_size = {one.size: one for one in made}
    Release.objects.bulk_create(
        Release(
            pk=uuid7(), stage=stage, family=stage.pipeline.family, size=size, arm="incumbent",
            share=100, checkpoint=by_size[size], started_at=now,
        )
        for stage, size in free
        if size in by_size
    )  # fmt: skip
    Promotion.objects.bulk_create(
        Promotion(
            checkpoint=one, stage=stages[at % len(stages)], reason="more", requested_at=now,
            requester_name="ci", expires_at=now + timedelta(days=7),
            policy=stages[at % len(stages)].policy, policy_digest="4" * 64,
        )
        for at, one in enumerate(made)
    )  # fmt: skip


def test_stages_stand_as_a_graph_with_occupants_holds_and_why_the_rest_waits(
    cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _stage("internal")
    for name in ("red-team", "closed-alpha"):
        _stage(name, "internal")
    last = _stage("production", "red-team", "closed-alpha", n=1)
    story.promoted(cast, named("one"), first)
    story.requested(cast.engineer, named("two"), first)
    holds.place_hold(actor=cast.behaviour_reviewer, stage=last, reason="Red team is not done.")
    body = signed_in("auditor").get(reverse("board")).json()
    (family,) = body["families"]
    assert [(s["name"], s["column"], s["row"], s["is_held"]) for s in family["stages"]] == [
        ("internal", 0, 0, False),
        ("red-team", 1, 0, False),
        ("closed-alpha", 1, 1, False),
        ("production", 2, 0, True),
    ]
    assert family["stages"][3]["after"] == "after 1 of: red-team, closed-alpha"
    assert [one["checkpoint"] for one in family["stages"][0]["occupants"]] == ["one"]
    (item,) = body["queue"]
    assert (item["checkpoint"], item["waits_for"]["code"]) == ("two", "unanswered")
    assert item["waits_for"]["owner"] and item["n_unmet"] >= 1 and item["earliest"] is None
    page = signed_in("auditor").get(reverse("console-board")).content.decode()
    assert item["waits_for"]["sentence"] in page and "Promote into" not in page
    assert (
        "nothing is live" in signed_in("auditor").get("/console/board/?view=list").content.decode()
    )
    call_command("board", "--by", "auditor")
    assert item["waits_for"]["sentence"] in capsys.readouterr().out


def test_a_promotion_is_requested_from_a_node_by_who_may(cast: Cast) -> None:
    to, one = _stage("internal"), named("one")
    path = f"{reverse('console-board')}?into={to.pk}"
    body = {"do": "promote", "stage": to.pk, "checkpoint": one.pk, "reason": "better at tables"}
    refused = signed_in("auditor").post(path, body, format="multipart")
    assert refused.status_code == 403 and "may not" in refused.content.decode()
    done = signed_in("engineer").post(path, body, format="multipart")
    made = Promotion.objects.get()
    assert done.headers["Location"] == reverse("console-promotion", args=[made.pk])
    # Without its node, or into another stage than the node's, nothing is asked for.
    for other in (reverse("console-board"), f"{reverse('console-board')}?into={uuid7()}"):
        assert signed_in("engineer").post(other, body, format="multipart").status_code in (400, 404)
    assert signed_in("engineer").get("/console/board/?into=x").status_code == 404
    assert Promotion.objects.count() == 1


def test_the_board_asks_the_same_number_of_queries_however_full(cast: Cast) -> None:
    stages = [_stage("internal"), _stage("closed-alpha", "internal")]
    client = signed_in("auditor")

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse("console-board")).status_code == 200
        return len(queries)

    _crowd(6, stages)
    before = count()
    _crowd(12, stages)
    assert count() <= before <= 40


@pytest.mark.long
def test_five_hundred_checkpoints_and_twelve_stages_take_300_ms_of_work(cast: Cast) -> None:
    stages = [_stage("s0")]
    for at in range(1, 12):
        before = [f"s{at - 1}"] if at % 3 else [f"s{at - 1}", f"s{at - 2}"][: min(at, 2)]
        stages.append(_stage(f"s{at}", *before))
    _crowd(500, stages)
    assert len(open_promotions()) == 500
    client = signed_in("release_manager")
    client.get(reverse("console-board"))
    took_ms, worked_ms = [], []
    for _ in range(7):
        began, worked = time.perf_counter(), time.process_time()
        assert client.get(reverse("console-board")).status_code == 200
        took_ms.append(1000 * (time.perf_counter() - began))
        worked_ms.append(1000 * (time.process_time() - worked))
    print(  # noqa: T201
        f"board: {statistics.median(took_ms):.0f} ms, of which this process worked "
        f"{statistics.median(worked_ms):.0f} ms"
    )
    # What the process works, for the other processes of a busy machine stretch the rest.
    assert min(worked_ms) <= 300


def test_the_earliest_moment_is_known_only_where_time_alone_clears_everything(cast: Cast) -> None:
    to = _stage("internal")
    story.requested(cast.engineer, named("one"), to)
    (item,) = queued(list(open_promotions()), clock.now())
    assert item.n_unmet > 1 and item.earliest is None
    assert family_boards(clock.now(), "nobody") == []
