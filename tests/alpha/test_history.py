"""Any past moment: what was in a stage, with which share, for whom; who was exposed to what."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from alpha import history
from alpha.models import Partner
from alpha.services import grants, keys, partners
from infra import clock
from infra.errors import NotFound
from infra.ids import uuid7
from infra.models import User
from releases.models import Checkpoint, Deployment, Release, Stage
from releases.selectors.history import stage_ever_named
from releases.services.ramps import advance_ramps
from releases.services.releases import demote_release, halt_release, resume_release
from tests import builders
from tests.alpha.builders import ACTOR, month_of, usage_event
from tests.builders import NOW, Cast
from tests.releases import rollout

pytestmark = pytest.mark.django_db


def moment(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def at(hours: float) -> Any:
    return clock.frozen_at(moment(hours))


class Past:
    """`one` from hour 0; `two` ramps 10, 50, 90 from hour 24; halted, resumed, later demoted."""

    def __init__(self) -> None:
        self.cast: Cast = builders.cast()
        self.stage: Stage = rollout.stage()
        with at(-1):
            self.partner = partners.make_partner(
                actor=ACTOR, name="acme", contact_email="a@b.example"
            )
            self.guest = partners.make_partner(
                actor=ACTOR, name="guest", contact_email="g@b.example"
            )
            self.cohort = partners.make_cohort(actor=ACTOR, name="friends")
            self.grant = grants.make_grant(actor=ACTOR, stage=self.stage, partner=self.partner)
            grants.make_grant(actor=ACTOR, stage=self.stage, cohort=self.cohort)
        self.key, _ = keys.issue_key(actor=ACTOR, partner=self.partner)
        with at(10):
            partners.join_cohort(actor=ACTOR, cohort=self.cohort, partner=self.guest)
        with at(50):
            partners.leave_cohort(actor=ACTOR, cohort=self.cohort, partner=self.guest, reason="x")
        self._releases()

    def _releases(self) -> None:
        manager = self.cast.release_manager
        with at(0):
            rollout.begun(self.cast, self.stage, "one")
        with at(24):
            rollout.begun(self.cast, self.stage, "two")
        for hours in (26, 32):
            with at(hours):
                advance_ramps()
        with at(33):
            halted = halt_release(actor=manager, release=self.live("two"), reason="odd")
        with at(34):
            resume_release(actor=manager, release=halted, reason="fine again")
        with at(40):
            advance_ramps()
        with at(60):
            demote_release(actor=manager, release=self.live("two"), reason="it feels off")

    def live(self, name: str) -> Release:
        return Release.objects.get(checkpoint__name=name, ended_at=None)

    def called(self, name: str, hours: float, partner: Partner | None = None) -> None:
        """A request that the release of that name served then."""
        when = moment(hours)
        release = (
            Release.objects.filter(checkpoint__name=name, started_at__lte=when)
            .order_by("-started_at")
            .first()
        )
        assert release is not None
        deployment, _ = Deployment.objects.get_or_create(
            checkpoint=release.checkpoint,
            base_url="http://127.0.0.1:9/v1",
            defaults={"upstream_model": "m", "weight": 100},
        )
        of: Any = type("Of", (), {})()
        of.partner, of.key, of.grant = partner or self.partner, self.key, self.grant
        of.stage, of.release, of.checkpoint = self.stage, release, release.checkpoint
        of.deployment, of.codename = deployment, type("Name", (), {"name": "quasar"})
        request_id = uuid7()
        usage_event(
            of,
            request_id,
            month=month_of(request_id),
            arm=release.arm,
            started_at=when,
            ended_at=when,
        )


@pytest.fixture(scope="module")
def told(file_db: str) -> Past:
    return Past()


@pytest.fixture
def past(told: Past, db: None) -> Past:
    return copy.deepcopy(told)


ARMS = [
    (-0.5, []),
    (0, [("one", "incumbent", 100, False)]),
    (23.9, [("one", "incumbent", 100, False)]),
    (24, [("one", "incumbent", 90, False), ("two", "candidate", 10, False)]),
    (26.5, [("one", "incumbent", 50, False), ("two", "candidate", 50, False)]),
    (32.5, [("one", "incumbent", 10, False), ("two", "candidate", 90, False)]),
    (33.5, [("one", "incumbent", 10, False), ("two", "candidate", 90, True)]),
    (35, [("one", "incumbent", 10, False), ("two", "candidate", 90, False)]),
    (41, [("two", "incumbent", 100, False)]),
    (61, []),
]


def test_every_past_moment_knows_its_arms_and_shares(past: Past) -> None:
    for hours, expected in ARMS:
        found = history.stage_then(past.stage, moment(hours))
        arms = [(a.checkpoint.name, a.arm.value, a.share, a.is_halted) for a in found.arms]
        assert arms == expected, hours
        assert ("nothing was live" in found.sentence) is not bool(expected)


def test_a_halted_candidates_share_was_the_incumbents(past: Past) -> None:
    said = history.stage_then(past.stage, moment(33.5)).sentence
    assert "one (nano, incumbent), 100 percent" in said
    assert "two (nano, candidate), halted" in said


ACCESS = [
    (9, "guest", False),
    (11, "guest", True),
    (49, "guest", True),
    (51, "guest", False),
    (-2, "acme", False),
    (0, "acme", True),
    (70, "acme", False),
]


def test_a_partners_access_is_that_of_the_moment(past: Past) -> None:
    with at(65):
        grants.revoke_grant(actor=ACTOR, grant=past.grant, reason="over")
    for hours, name, access in ACCESS:
        partner = Partner.objects.get(name=name)
        found = history.stage_then(past.stage, moment(hours), partner)
        assert bool(found.grants) is access, (hours, name)
        assert ("had no grant" in found.sentence) is not access
        granted = history.PartnerExposures().granted(past.stage.pk, moment(hours))
        assert (name in granted) is access


def test_the_last_request_before_the_moment_is_named(past: Past) -> None:
    past.called("one", 20)
    past.called("two", 27)
    past.called("one", 28, past.guest)
    for hours, name in ((19, None), (21, "one"), (27, "two"), (99, "two")):
        last = history.stage_then(past.stage, moment(hours), past.partner).last_request
        assert (last.checkpoint if last else None) == name


def test_who_was_exposed_to_a_checkpoint_and_when(past: Past) -> None:
    for hours in (25, 27, 45):
        past.called("two", hours)
    past.called("two", 28, past.guest)
    stays = history.exposures_of(Checkpoint.objects.get(name="two"))
    told = [(s.release.arm, s.n_requests, [e.partner for e in s.exposures]) for s in stays]
    assert told == [
        ("incumbent", 1, ["acme"]),
        ("candidate", 0, []),
        ("candidate", 3, ["acme", "guest"]),
    ]
    first = stays[2].exposures[0]
    assert (first.n_requests, first.first_at, first.last_at) == (2, moment(25), moment(27))


def test_a_retired_stage_still_has_its_past(past: Past) -> None:
    past.stage.retired_at = moment(80)
    past.stage.save(update_fields=["retired_at"])
    assert stage_ever_named("chat/closed-alpha") == past.stage
    with pytest.raises(NotFound, match="never existed"):
        stage_ever_named("chat/nowhere")


def test_api_and_command_tell_the_same(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    past.called("two", 27)
    client = APIClient()
    client.force_login(User.objects.get(username="auditor"))
    when = moment(28).isoformat()
    asked = {"stage": "chat/closed-alpha", "partner": "acme", "at": when}
    told = client.get("/api/history/stage/", asked).json()
    assert [(a["checkpoint"], a["share"]) for a in told["arms"]] == [("one", 50), ("two", 50)]
    assert told["last_request"]["checkpoint"] == "two"
    call_command("history", "stage", "closed-alpha", "--partner", "acme", "--at", when)
    assert told["sentence"] in capsys.readouterr().out
    (stay, *_) = client.get("/api/history/checkpoint/", {"checkpoint": "one"}).json()
    assert [(s["arm"], s["share"]) for s in stay["shares"]][:2] == [
        ("incumbent", 100),
        ("incumbent", 90),
    ]
    call_command("history", "checkpoint", "two")
    assert "acme" in capsys.readouterr().out
    bad = client.get("/api/history/stage/", {"stage": "chat/nowhere"})
    assert (bad.status_code, bad.json()["code"]) == (404, "no_such_stage")


def test_the_pages_show_it(past: Past) -> None:
    past.called("two", 27)
    client = APIClient()
    client.force_login(User.objects.get(username="auditor"))
    asked = {"stage": past.stage.pk, "partner": past.partner.pk, "at": "2026-03-03T13:00"}
    page = client.get("/console/history/", asked).content.decode()
    assert "two (nano, candidate), 50 percent" in page
    assert "its own grant" in page
    empty = client.get("/console/history/")
    assert empty.status_code == 200 and b"Live then" not in empty.content
    two = Checkpoint.objects.get(name="two")
    page = client.get(f"/console/checkpoints/{two.pk}/").content.decode()
    assert "Served to" in page and "acme: 1 request of 1 user" in page
