"""The incoming checkpoint beside the current one, what an approval does, and past decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alpha.services import grants, partners
from infra import clock
from infra.errors import NotFound
from releases.digests import sha256_of
from releases.models import Checkpoint, Codename, DecisionRecord, Promotion, Waiver
from releases.selectors.changes import changes_of
from releases.selectors.decided import as_decided, record_of, seen_decision
from releases.selectors.effects import effect_of
from releases.selectors.family_tree import tree_around, tree_of
from releases.selectors.promotions import promotion_detail, promotion_with_id
from releases.services.prices import set_price
from tests import builders
from tests.builders import NOW, Cast
from tests.clients import signed_in
from tests.releases import story

pytestmark = pytest.mark.django_db
SERVING = {"system_prompt": "You are very brief.", "sampling": {"temperature": 0.7, "seed": 7}}


@pytest.fixture
def cast() -> Cast:
    return builders.cast()


@pytest.fixture
def old(cast: Cast) -> Checkpoint:
    return builders.checkpoint("chat-nano-1")


@pytest.fixture
def new(old: Checkpoint) -> Checkpoint:
    return builders.checkpoint("chat-nano-2", parent=old, serving=SERVING)


def asked(cast: Cast, old: Checkpoint, new: Checkpoint, **policy: object) -> Promotion:
    """The new one is asked for where the old one is live."""
    with clock.frozen_at(NOW):
        stage = story.stage(story.MANUAL, **policy)
        story.promoted(cast, old, stage)
    return story.requested(cast.release_manager, new, stage)


def test_only_what_differs_is_told_as_different(
    cast: Cast, old: Checkpoint, new: Checkpoint
) -> None:
    found = changes_of(asked(cast, old, new), clock.now())
    assert found.current == old
    assert found.summary == "The same weights; the system prompt and temperature change."
    assert found.lineage == "Made from chat-nano-1: chat-nano-2 (prompt)."
    assert [(f.name, f.current, f.incoming) for f in found.different] == [
        ("temperature", "0", "0.7")
    ]
    assert [p.text for p in found.prompt.new if p.changed] == [" very"]


def test_prices_are_those_of_the_moment(cast: Cast, old: Checkpoint, new: Checkpoint) -> None:
    price = {"currency": "EUR", "input_micros_per_million": 100_000, "effective_at": NOW}
    price |= {"cached_input_micros_per_million": 10_000, "output_micros_per_million": 400_000}
    set_price(actor=cast.engineer, checkpoint=new, **price)
    promotion = asked(cast, old, new)
    found = {fact.name: fact for fact in changes_of(promotion, clock.now()).facts}
    assert found["Output, a million tokens"].incoming == "0.4000 EUR"
    assert found["Output, a million tokens"].current == "–"
    before = {f.name: f for f in changes_of(promotion, NOW - timedelta(days=1)).facts}
    assert before["Output, a million tokens"].incoming == "–"


def test_the_first_of_its_size_replaces_nothing(cast: Cast, new: Checkpoint) -> None:
    promotion = story.requested(cast.release_manager, new, story.stage(story.MANUAL))
    found = changes_of(promotion, clock.now())
    assert found.current is None and not found.prompt.is_equal
    assert found.lineage == "Made from chat-nano-1 by prompt."
    assert effect_of(promotion, clock.now()).sentence == (
        "chat-nano-2 goes live in closed-alpha, the first of its size; "
        "no partner can call it there."
    )


def granted(cast: Cast, promotion: Promotion, *names: str) -> None:
    actor, stage = cast.partner_manager, promotion.stage
    Codename.objects.create(stage=stage, size="nano", name="quasar", opens_at=NOW)
    for name in names:
        partner = partners.make_partner(actor=actor, name=name, contact_email=f"a@{name}.example")
        consent = grants.Consent(terms_version="1", accepted_by="Ada")
        quotas = grants.Quotas(requests_per_minute=60)
        grants.make_grant(actor=actor, stage=stage, partner=partner, consent=consent, quotas=quotas)


@pytest.mark.parametrize(
    ("names", "ramp", "expected"),
    [
        (("acme", "bolt"), False, "2 partners move from chat-nano-1 to chat-nano-2, all at once."),
        (("acme",), False, "1 partner moves from chat-nano-1 to chat-nano-2, all at once."),
        (
            ("acme", "bolt"),
            True,
            "2 partners begin to move from chat-nano-1 to chat-nano-2: 10 % of their users first.",
        ),
        ((), True, "chat-nano-2 goes live in closed-alpha beside chat-nano-1 with 10 %; "),
    ],
    ids=["two", "one", "ramp", "nobody"],
)
def test_the_effect_names_who_moves(
    cast: Cast, old: Checkpoint, new: Checkpoint, names: tuple[str, ...], ramp: bool, expected: str
) -> None:
    steps = {"ramp": [{"percent": 10, "for": "2h"}, {"percent": 100}]} if ramp else {}
    promotion = asked(cast, old, new, **steps)
    granted(cast, promotion, *names)
    found = effect_of(promotion, clock.now())
    assert list(found.partners) == sorted(names)
    assert found.sentence.startswith(expected)


def test_a_decision_is_shown_as_it_was_seen(cast: Cast, old: Checkpoint, new: Checkpoint) -> None:
    asked(cast, old, new)
    promotion = story.promoted(cast, builders.checkpoint("chat-nano-3"), new.promotions.get().stage)
    later = {"asked_at": clock.now(), "expires_at": clock.now(), "reason": "Asked afterwards."}
    Waiver.objects.create(
        checkpoint=promotion.checkpoint,
        stage=promotion.stage,
        gate_id="manual-1",
        asked_by_id=cast.release_manager.person_id,
        **later,
    )
    promotion = promotion_with_id(promotion.pk)
    seen = seen_decision(DecisionRecord.objects.get(promotion=promotion))
    then = as_decided(promotion_detail(promotion), seen)
    assert seen.holds and record_of(promotion) == seen.record
    assert [reason.gate_id for reason in then.decision.gates] == ["manual-1"]
    assert then.decision.admits and then.decision.evidence_hash == seen.decision.evidence_hash
    assert [row.gate_id for row in then.evaluation.outcomes.all()] == ["manual-1"]
    assert [row.person.name for row in then.approvals] == ["Second Release Manager"]
    assert then.waivers == [] and len(promotion_detail(promotion).waivers) == 1
    assert changes_of(promotion, clock.now()).current == old


def test_a_record_that_was_forged_says_where(cast: Cast, old: Checkpoint, new: Checkpoint) -> None:
    promotion = story.promoted(cast, old, story.stage(story.MANUAL))
    record = DecisionRecord.objects.get(promotion=promotion)
    record.document["gates"][0]["evidence"] = {"answers": []}
    record.document_hash = sha256_of(record.document)
    found = seen_decision(record)
    assert not found.holds
    assert any(one.where == "gate manual-1" for one in found.differences)


@pytest.mark.parametrize("wanted", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_another_decision_is_not_found(cast: Cast, old: Checkpoint, wanted: str) -> None:
    promotion = story.promoted(cast, old, story.stage(story.MANUAL))
    with pytest.raises(NotFound):
        record_of(promotion, wanted)


def test_lines_meet_and_the_tree_costs_two_queries(old: Checkpoint, new: Checkpoint) -> None:
    other = builders.checkpoint("chat-nano-1b", parent=old)
    child = builders.checkpoint("chat-nano-2a", parent=new)
    with CaptureQueriesContext(
        connection,
    ) as asked_of:
        tree = tree_of(child, other)
    assert len(asked_of) == 2
    assert [tree[pk].name for pk in tree.line(child.pk)] == [
        "chat-nano-2a",
        "chat-nano-2",
        "chat-nano-1",
    ]
    assert [(depth, node.name) for depth, node in tree_around(new).walk()] == [
        (0, "chat-nano-1"),
        (1, "chat-nano-1b"),
        (1, "chat-nano-2"),
        (2, "chat-nano-2a"),
    ]


def test_the_api_tells_changes_and_effect(cast: Cast, old: Checkpoint, new: Checkpoint) -> None:
    promotion = asked(cast, old, new)
    url = f"/api/promotions/{promotion.pk}/changes/"
    found = signed_in("auditor").get(url).json()
    assert (found["incoming"], found["current"]) == ("chat-nano-2", "chat-nano-1")
    assert [f["name"] for f in found["facts"] if f["differs"]] == ["temperature"]
    assert found["effect"]["share"] == 100
    ended = story.promoted(cast, old, story.stage(story.MANUAL, name="later"))
    assert signed_in("auditor").get(f"/api/promotions/{ended.pk}/changes/").json()["effect"] is None
