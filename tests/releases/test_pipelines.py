"""Applying pipeline files: versions, stages, codenames, and what is refused."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from infra import clock
from infra.actors import Actor, ActorKind
from infra.errors import DomainError, InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from infra.roles import Scope
from releases.models import Codename, Pipeline, PipelineVersion, Promotion, Release, Stage
from releases.selectors.pipelines import live_stages, stage_named
from releases.services.pipelines import Plan, apply_pipelines
from releases.states import Arm
from tests import builders
from tests.releases import suites
from tests.releases.documents import PIPELINE


@pytest.fixture
def manager(db: None) -> Actor:
    suites.published()
    return builders.cast().release_manager


def apply(actor: Actor, text: str = PIPELINE, *, plan: bool = False) -> Plan:
    return apply_pipelines(actor=actor, files={"chat.yaml": text}, plan=plan)


def release(stage: str = "closed-alpha", name: str = "chat-nano-1") -> Release:
    checkpoint = builders.checkpoint(name)
    return Release.objects.create(
        stage=stage_named(stage),
        family=checkpoint.family,
        size=checkpoint.size,
        arm=Arm.INCUMBENT.value,
        share=100,
        checkpoint=checkpoint,
        started_at=builders.NOW,
    )


def only(text: str) -> str:
    """The pipeline's file with `internal` alone."""
    return text[: text.index("  - name: closed-alpha")]


def test_the_first_apply_makes_version_one(manager: Actor) -> None:
    done = apply(manager)
    (plan,) = done.pipelines
    assert (done.applied, plan.before, plan.number) == (True, None, 1)
    pipeline = Pipeline.objects.get(name="chat")
    stages = live_stages(pipeline.pk)
    assert [(stage.name, stage.position) for stage in stages] == [
        ("internal", 0),
        ("closed-alpha", 1),
    ]
    assert [gate["id"] for gate in stages[1].policy["gates"]] == [
        "soak-1",
        "eval_floor-1",
        "sign_off-1",
    ]
    codename = Codename.objects.get()
    assert (codename.name, codename.size, codename.stage.name) == (
        "quasar-alpha",
        "nano",
        "closed-alpha",
    )
    entry = AuditEntry.objects.get(action="pipeline.applied")
    assert entry.after["number"] == 1
    assert any("closed-alpha" in sentence for sentence in entry.after["changes"])


def test_the_second_apply_changes_nothing(manager: Actor) -> None:
    apply(manager)
    again = apply(manager, "# with a comment\n" + PIPELINE)
    assert (again.changed, again.pipelines[0].number) == (False, 1)
    assert again.pipelines[0].changes == ()
    assert PipelineVersion.objects.count() == 1
    assert AuditEntry.objects.filter(action="pipeline.applied").count() == 1


def test_a_plan_writes_nothing_and_says_the_same_as_the_apply(manager: Actor) -> None:
    plan = apply(manager, plan=True)
    assert (plan.applied, plan.changed) == (False, True)
    counts = [model.objects.count() for model in (Pipeline, PipelineVersion, Stage, Codename)]
    assert counts == [0, 0, 0, 0]
    assert apply(manager).pipelines == plan.pipelines


def test_a_changed_gate_makes_a_version_and_another_policy_digest(manager: Actor) -> None:
    apply(manager)
    before = {stage.name: stage.policy_digest for stage in Stage.objects.all()}
    done = apply(manager, PIPELINE.replace("at_least: 0.6", "at_least: 0.7"))
    assert [change.sentence for change in done.pipelines[0].changes] == [
        "closed-alpha: gate eval_floor-1 changes: at_least 0.6 → 0.7."
    ]
    after = {stage.name: stage.policy_digest for stage in Stage.objects.all()}
    assert after["internal"] == before["internal"]
    assert after["closed-alpha"] != before["closed-alpha"]
    assert {stage.version.number for stage in Stage.objects.select_related("version")} == {2}


def test_an_open_promotion_takes_the_new_policy(manager: Actor) -> None:
    apply(manager)
    stage = stage_named("closed-alpha")
    promotion = Promotion.objects.create(
        checkpoint=builders.checkpoint(),
        stage=stage,
        reason="Better.",
        requester_name="ci",
        requested_at=builders.NOW,
        expires_at=builders.NOW + timedelta(days=7),
        policy=stage.policy,
        policy_digest=stage.policy_digest,
    )
    apply(manager, PIPELINE.replace("at_least: 0.6", "at_least: 0.7"))
    promotion.refresh_from_db()
    assert promotion.policy_digest == Stage.objects.get(pk=stage.pk).policy_digest
    assert promotion.policy_digest != stage.policy_digest


def test_another_codename_ends_the_one_before(manager: Actor) -> None:
    with clock.frozen_at(builders.NOW):
        apply(manager)
        release()
        done = apply(manager, PIPELINE.replace("quasar-alpha", "quasar-beta"))
    rows = {row.name: row.ends_at for row in Codename.objects.all()}
    assert rows == {"quasar-alpha": builders.NOW, "quasar-beta": None}
    assert done.pipelines[0].availability == (
        "chat-nano-1 in closed-alpha is called quasar-beta instead of quasar-alpha.",
    )


def test_a_codename_that_returns_opens_again(manager: Actor) -> None:
    apply(manager)
    apply(manager, PIPELINE.replace("    codenames: {nano: quasar-alpha}\n", ""))
    assert Codename.objects.get().ends_at is not None
    apply(manager)
    assert Codename.objects.get().ends_at is None


def test_a_codename_of_one_checkpoint_outlives_an_apply(manager: Actor) -> None:
    apply(manager)
    own = Codename.objects.create(
        stage=stage_named("closed-alpha"),
        size="nano",
        name="quasar-own",
        opens_at=builders.NOW,
        checkpoint=builders.checkpoint(),
    )
    apply(manager, PIPELINE.replace("quasar-alpha", "quasar-beta"))
    own.refresh_from_db()
    assert own.ends_at is None


CODENAMES = "    codenames: {nano: quasar-alpha}\n"
INTERNAL = "  - name: internal\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stage", PIPELINE.replace(CODENAMES, "").replace(INTERNAL, INTERNAL + CODENAMES)),
        ("size", PIPELINE.replace("{nano: quasar-alpha}", "{mini: quasar-alpha}")),
    ],
)
def test_a_codename_never_moves(manager: Actor, name: str, text: str) -> None:
    apply(manager)
    with pytest.raises(InvalidInput, match=r"chat.yaml:\d+: .*never moves"):
        apply(manager, text)
    assert Codename.objects.get().stage.name == "closed-alpha"


def test_a_checkpoints_name_is_no_codename(manager: Actor) -> None:
    builders.checkpoint("quasar-alpha")
    with pytest.raises(InvalidInput, match="partners must not learn"):
        apply(manager)


def test_an_empty_stage_is_retired_and_can_return(manager: Actor) -> None:
    apply(manager)
    done = apply(manager, only(PIPELINE))
    assert [change.sentence for change in done.pipelines[0].changes] == [
        "Stage closed-alpha is retired."
    ]
    assert Stage.objects.get(name="closed-alpha").retired_at is not None
    assert Codename.objects.get().ends_at is not None
    apply(manager)
    assert Stage.objects.get(name="closed-alpha").retired_at is None
    assert Codename.objects.get().ends_at is None


@pytest.mark.parametrize("plan", [True, False])
def test_an_occupied_stage_does_not_go(manager: Actor, plan: bool) -> None:
    apply(manager)
    release()
    with pytest.raises(InvalidMove, match="chat-nano-1 is live there"):
        apply(manager, only(PIPELINE), plan=plan)
    assert Stage.objects.get(name="closed-alpha").retired_at is None


def test_all_files_apply_or_none(manager: Actor) -> None:
    other = PIPELINE.replace("chat", "code").replace("quasar-alpha", "nebula")
    wrong = other.replace("kind: artifact", "kind: artefact")
    with pytest.raises(InvalidInput, match="code.yaml:7"):
        apply_pipelines(actor=manager, files={"chat.yaml": PIPELINE, "code.yaml": wrong})
    assert not Pipeline.objects.exists()
    both = {"all.yaml": f"{PIPELINE}---\n{other}"}
    assert len(apply_pipelines(actor=manager, files=both).pipelines) == 2
    assert Stage.objects.count() == 4


def test_two_documents_do_not_claim_one_family_or_codename(manager: Actor) -> None:
    other = PIPELINE.replace("name: chat", "name: code")
    with pytest.raises(InvalidInput) as refusal:
        apply_pipelines(actor=manager, files={"a.yaml": PIPELINE, "b.yaml": other})
    said = [reason.sentence for reason in refusal.value.reasons]
    assert [text.split(":")[0] for text in said] == ["b.yaml", "b.yaml"]
    assert any("the family chat" in text for text in said)
    assert any("the codename quasar-alpha" in text for text in said)


def test_a_family_has_one_pipeline_for_good(manager: Actor) -> None:
    apply(manager)
    with pytest.raises(InvalidInput, match="has the pipeline chat already"):
        apply(manager, PIPELINE.replace("name: chat", "name: code").replace("quasar", "nebula"))
    with pytest.raises(InvalidInput, match="that can't change"):
        apply(manager, PIPELINE.replace("family: chat", "family: code"))


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["engineer", "behaviour_reviewer", "eval_owner", "auditor"])
def test_only_release_managers_apply(role: str) -> None:
    with pytest.raises(NotPermitted):
        apply(getattr(builders.cast(), role))


def test_a_key_applies_nothing_whatever_its_scopes(db: None) -> None:
    with pytest.raises(NotPermitted):
        apply(Actor(kind=ActorKind.SERVICE_KEY, name="ci", scopes=frozenset(Scope)))


def test_simultaneous_applies_make_one_version(committed_db: str) -> None:
    actor = builders.cast().release_manager
    suites.published()
    n = 3
    barrier, results = threading.Barrier(n), list[Plan | DomainError]()

    def work() -> None:
        barrier.wait()
        try:
            results.append(apply(actor))
        except DomainError as refusal:
            results.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(result) for result in results] == [Plan] * n
    assert sum(result.changed for result in results) == 1  # type: ignore[union-attr]
    assert PipelineVersion.objects.count() == 1
