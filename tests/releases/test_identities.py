"""Upstreams of live releases are asked again; one that changed stops what it serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from infra import clock
from infra.models import AuditEntry, WebhookDelivery, WebhookEndpoint
from releases.identity import differences, differs_by_rounding, judge
from releases.models import Deployment, Hold, Release
from releases.services.deployments import add_deployment
from releases.services.identities import EVERY, confirm_identities, due
from releases.services.releases import resume_release
from releases.states import Identity
from releases.tasks import confirm_identities as scheduled
from tests import builders
from tests.alpha.builders import release_of
from tests.releases.upstream import Upstream, running

MODEL = "smollm2-135m-instruct"
RECORDED = {"model": MODEL, "texts": ["Blue", "three"], "requests": [{}, {}]}
WHY = "The upstream starts tonight only."


def answer(*texts: str, model: str = MODEL) -> dict[str, Any]:
    return {"model": model, "texts": list(texts)}


SAME, RED = answer("Blue", "three"), answer("Red", "three")
JUDGED = [
    ("as recorded", [SAME], Identity.CONFIRMED),
    ("otherwise, alike each time", [RED] * 5, Identity.CHANGED),
    ("once otherwise, then as recorded", [RED, SAME], Identity.UNVERIFIABLE),
    ("otherwise, each time anew", [RED, answer("Green", "three")], Identity.UNVERIFIABLE),
    ("another model's name", [answer("Blue", "three", model="b")] * 5, Identity.CHANGED),
    ("the second prompt alone", [answer("Blue", "four")] * 5, Identity.CHANGED),
]


@pytest.mark.parametrize(("name", "answers", "expected"), JUDGED, ids=lambda v: str(v)[:30])
def test_only_an_upstream_that_answers_alike_can_have_changed(
    name: str, answers: list[dict[str, Any]], expected: Identity
) -> None:
    judged = judge(RECORDED, answers)
    assert judged.identity is expected, name
    assert bool(judged.sentence) is (expected is not Identity.CONFIRMED)


def told(text: str, **top: float) -> dict[str, Any]:
    """An answer to one prompt whose first token was `text`, with what was likeliest there."""
    return {"model": MODEL, "texts": [text], "tokens": [[{"token": text, "top": top}]]}


BLUE = told("Blue", Blue=-1.40, Red=-1.55)
ROUNDED = [
    ("a tie both times", [told("Red", Red=-1.36, Blue=-1.54)] * 5, Identity.UNVERIFIABLE),
    ("a tie only now", [told("Red", Red=-0.2, Blue=-2.1)] * 5, Identity.CHANGED),
    ("a token unthought of", [told("Green", Green=-1.3, Blue=-1.4)] * 5, Identity.CHANGED),
    ("no likelihoods now", [answer("Red")] * 5, Identity.CHANGED),
    (
        "another name",
        [{**told("Red", Red=-1.36, Blue=-1.54), "model": "b"}] * 5,
        Identity.CHANGED,
    ),
    ("the same text, other digits", [told("Blue", Blue=-1.1, Red=-2.0)], Identity.CONFIRMED),
]


@pytest.mark.parametrize(("name", "answers", "expected"), ROUNDED, ids=lambda v: str(v)[:30])
def test_what_rounding_decides_is_no_change(
    name: str, answers: list[dict[str, Any]], expected: Identity
) -> None:
    assert judge({**BLUE, "requests": [{}]}, answers).identity is expected, name
    assert differs_by_rounding(BLUE, answers[0]) is (expected is Identity.UNVERIFIABLE)


def test_a_tie_before_the_change_is_the_first_departure_that_counts() -> None:
    first = {"token": "The", "top": {"The": -0.1}}
    before = {**BLUE, "texts": ["The Blue"], "tokens": [[first, *BLUE["tokens"][0]]]}
    tie = told("Red", Red=-1.36, Blue=-1.54)["tokens"][0]
    assert differs_by_rounding(before, {**before, "texts": ["The Red"], "tokens": [[first, *tie]]})


def test_a_fingerprint_of_one_request_is_compared_by_it() -> None:
    old = {"model": MODEL, "text": "Blue", "request": {}}
    assert differences(old, answer("Blue")) == []
    assert differences(old, answer("Red")) == ["text 'Red', not 'Blue'"]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running() as found:
        yield found


@pytest.fixture
def live(db: None, upstream: Upstream) -> Release:
    return served(upstream)


def served(upstream: Upstream) -> Release:
    """A checkpoint that is live, with a deployment that was asked when it was added."""
    engineer = builders.cast().engineer
    checkpoint = builders.checkpoint()
    place = {"base_url": upstream.base_url, "upstream_model": MODEL}
    add_deployment(actor=engineer, checkpoint=checkpoint, **place)
    upstream.seen.clear()
    told_by_webhook()
    return release_of(checkpoint, builders.stage())


def told_by_webhook() -> None:
    WebhookEndpoint.objects.create(
        name="pager", url="http://127.0.0.1:9/", secret_ref="env:X", created_at=clock.now()
    )


def later(n_times: int = 1) -> datetime:
    return clock.now() + n_times * (EVERY + timedelta(seconds=1))


def state(of: Release) -> str:
    return Release.objects.values_list("state", flat=True).get(pk=of.pk)


def test_an_upstream_that_answers_as_recorded_is_confirmed_and_nothing_is_audited(
    live: Release, upstream: Upstream
) -> None:
    assert confirm_identities(later()) == 0
    row = Deployment.objects.get()
    assert (row.identity, row.identity_sentence) == ("confirmed", "")
    assert row.identity_asked_at is not None and row.identity_asked_at > clock.now()
    assert state(live) == "live"
    assert confirm_identities(later(2)) == 0
    entries = AuditEntry.objects.filter(action="deployment.identity_asked")
    assert entries.count() == 1


def test_one_that_was_asked_lately_is_not_asked(live: Release, upstream: Upstream) -> None:
    assert confirm_identities() == 0 and upstream.seen == []
    confirm_identities(later())
    asked = len(upstream.seen)
    confirm_identities(later())
    assert len(upstream.seen) == asked == 4


def test_a_change_halts_holds_and_tells(live: Release, upstream: Upstream) -> None:
    upstream.text = "Red"
    assert confirm_identities(later()) == 1
    row = Deployment.objects.get()
    assert row.identity == "changed" and "text 'Red', not 'Blue'" in row.identity_sentence
    assert state(live) == "halted"
    hold = Hold.objects.get()
    assert hold.owner is None and hold.checkpoint == live.checkpoint
    assert "'Red', not 'Blue'" in hold.reason
    actions = AuditEntry.objects.order_by("seq").values_list("action", flat=True)
    assert list(actions)[-3:] == ["release.halted", "hold.placed", "deployment.identity_asked"]
    told = WebhookDelivery.objects.get()
    assert told.event == "deployment.identity_changed" and live.checkpoint.name in told.body
    assert due(later(2)).count() == 0, "nothing of it is live any more"


def test_every_live_release_of_the_checkpoint_is_halted(live: Release, upstream: Upstream) -> None:
    second = release_of(live.checkpoint, builders.stage("open-alpha"))
    other = release_of(builders.checkpoint("chat-nano-2"), builders.stage("canary"))
    upstream.text = "Red"
    confirm_identities(later())
    assert (state(live), state(second), state(other)) == ("halted", "halted", "live")
    assert Hold.objects.count() == 1


def test_one_that_is_resumed_unchanged_is_halted_again(live: Release, upstream: Upstream) -> None:
    upstream.text = "Red"
    confirm_identities(later())
    manager = builders.cast().release_manager
    resumed = resume_release(actor=manager, release=live, reason="I did not look.")
    assert confirm_identities(later(2)) == 1
    assert state(resumed) == "halted" and WebhookDelivery.objects.count() == 2


def test_a_model_that_is_not_listed_any_more_is_a_change(live: Release, upstream: Upstream) -> None:
    upstream.models = ["another-7b"]
    assert confirm_identities(later()) == 1
    assert state(live) == "halted"
    assert "another-7b" in Deployment.objects.get().identity_sentence


class Fickle(Upstream):
    """Answers every request with another text."""

    n_answers = 0

    def answer(self, path: str, key: str, body: Any) -> tuple[int, bytes]:
        self.n_answers += 1
        self.text = f"Blue {self.n_answers}"
        return super().answer(path, key, body)


def test_one_that_does_not_answer_alike_is_unverifiable_and_goes_on(db: None) -> None:
    with running(Fickle()) as upstream:
        live = served(upstream)
        assert confirm_identities(later()) == 0
    row = Deployment.objects.get()
    assert row.identity == "unverifiable" and "not answer alike" in row.identity_sentence
    assert state(live) == "live" and not Hold.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_one_that_can_not_be_reached_is_said_to_be_and_goes_on(live: Release) -> None:
    Deployment.objects.update(base_url="http://127.0.0.1:9/v1")
    assert confirm_identities(later()) == 0
    row = Deployment.objects.get()
    assert row.identity == "unreachable" and "could not be reached" in row.identity_sentence
    assert state(live) == "live"


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b"null"])
def test_garbage_is_no_proof_of_a_change(live: Release, upstream: Upstream, raw: bytes) -> None:
    upstream.raw = raw
    confirm_identities(later())
    assert state(live) == "live" and Deployment.objects.get().identity == "unreachable"


def test_one_that_was_never_asked_is_unverifiable(live: Release, upstream: Upstream) -> None:
    Deployment.objects.update(fingerprint=None, probe_skipped_reason=WHY)
    confirm_identities(later())
    row = Deployment.objects.get()
    assert (row.identity, upstream.seen) == ("unverifiable", []) and WHY in row.identity_sentence


def test_only_active_deployments_of_live_releases_are_asked(live: Release) -> None:
    assert due(later()).count() == 1
    Deployment.objects.update(state="disabled")
    assert due(later()).count() == 0


def test_two_at_once_halt_once(committed_db: str, upstream: Upstream) -> None:
    live = served(upstream)
    upstream.text = "Red"
    found: list[int] = []

    def confirm() -> None:
        try:
            found.append(confirm_identities(later()))
        finally:
            connections.close_all()

    callers = [threading.Thread(target=confirm) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert sorted(found) in ([0, 1], [1]) and state(live) == "halted"
    assert AuditEntry.objects.filter(action="release.halted").count() == 1
    assert WebhookDelivery.objects.count() == 1


def test_the_schedule_asks_away_from_what_moves_releases(live: Release) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["releases.confirm_identities"]
    assert entry["task"] == scheduled.name
    assert settings.CELERY_TASK_ROUTES[scheduled.name] == {"queue": "runs"}
    Deployment.objects.update(probed_at=clock.now() - 2 * EVERY)
    scheduled.apply().get()
    assert Deployment.objects.get().identity == "confirmed"
