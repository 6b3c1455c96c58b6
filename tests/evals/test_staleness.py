"""Which outcomes a publication or an apply turns stale, over real promotions: these, and no others.

Each change is carried out by the service that people use and taken back afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from evals import graders
from evals.formats.contract import SuiteSpec
from evals.graders import contract
from evals.models import Suite
from evals.selectors import suites as reads
from evals.services import cases, drafts
from evals.services.suites import import_suite
from infra.models import AuditEntry, User
from releases.models import Approval, Promotion
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.selectors.promotions import decision_of, promotion_with_id
from releases.selectors.staleness import Stale
from releases.services import promotions
from releases.services.deployments import add_deployment, disable_deployment
from releases.services.pipelines import apply_pipelines
from releases.states import Outcome
from tests import builders as shared
from tests.evals import builders
from tests.evals.upstream import Upstream
from tests.releases import story, suites

pytestmark = pytest.mark.django_db

FILE = """\
kind: Pipeline
name: chat
family: chat
stages:
  - name: alpha
    gates:
      - {kind: artifact}
      - {kind: eval_floor, id: floor, suite: sql, node: sql.table, at_least: 0.5}
      - {kind: eval_floor, id: pinned, suite: sql@1, at_least: 0.5}
      - {kind: eval_no_regression, id: no-worse, suite: sql, baseline: {checkpoint: chat-nano-1},
         margin: 0.4}
      - {kind: eval_fresh, id: fresh, suite: sql}
      - {kind: eval_floor, id: style, suite: style, at_least: 0.5}
      - {kind: eval_floor, id: looks, suite: sql, at_least: 0.9, shadow: true}
      - {kind: manual, id: says, question: "Is it good?", role: engineer}
    approvals: {required: 2, groups: [release-managers]}
  - name: beta
    gates:
      - {kind: artifact}
      - {kind: eval_floor, id: style, suite: style, at_least: 0.5}
    approvals: {required: 2, groups: [release-managers]}
"""
N_CASES = 40
JUDGE = {"type": "house-judge", "model": "judge", "version": 3}
ON_SQL = ("floor", "no-worse", "fresh", "looks")


class _TakenBack(Exception):
    """Undoes one change."""


@contextmanager
def taken_back() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
            raise _TakenBack
    except _TakenBack:
        return


class Judge:
    """A grader with a version, as another package would install it."""

    name = "house-judge"
    SCHEMA: Mapping[str, Any] = {
        "type": "object",
        "properties": {"model": {"type": "string"}, "version": {"type": "integer"}},
        "additionalProperties": False,
    }
    TARGET_SCHEMA: Mapping[str, Any] = {}
    labels = staticmethod(contract.single_labels)

    @staticmethod
    def grade(spec: Any, case: Any, sample: Any) -> Any:
        right = sample.output_text == case.target
        return contract.single_grade(spec, case, float(right), "compared")

    def load(self) -> Judge:
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One checkpoint on its way into two stages, with one approval each."""

    cast: shared.Cast
    alpha: Promotion
    beta: Promotion
    sql: SuiteSpec
    style: SuiteSpec
    upstream: Upstream

    def outcomes(self, promotion: Promotion) -> dict[str, Outcome]:
        row = promotion_with_id(promotion.pk)
        return {gate.gate_id: gate.outcome for gate in decision_of(row).gates}


@pytest.fixture(scope="module")
def told(file_db: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    graders.get.cache_clear()
    with pytest.MonkeyPatch.context() as patch, Upstream() as upstream:
        patch.setattr(graders, "entry_points", lambda group: [Judge()])
        yield _world(upstream, str(tmp_path_factory.mktemp("artifacts")))
    graders.get.cache_clear()


@pytest.fixture
def world(told: World, db: None) -> World:
    """The story, as this test's transaction found it."""
    rows = {name: promotion_with_id(getattr(told, name).pk) for name in ("alpha", "beta")}
    return dataclasses.replace(told, **rows)


def _world(upstream: Upstream, folder: str) -> World:
    cast = shared.cast()
    sql = suites.spec("sql", N_CASES, graders=[JUDGE])
    style = suites.spec("style", N_CASES)
    versions = [
        import_suite(actor=cast.eval_owner, name=spec.name, suite=spec).version
        for spec in (sql, style)
    ]
    old = builders.served(upstream.base_url, "chat-nano-1", checkpoint_digest="1" * 64)
    new = story.stored_checkpoint("chat-nano-2", folder)
    new.deployments.update(base_url=upstream.base_url)
    for version in versions:
        for checkpoint in (old, new):
            builders.execute(builders.start(version, checkpoint))
    apply_pipelines(actor=cast.release_manager, files={"chat.yaml": FILE})
    rows = [_waiting(cast, stage) for stage in ("alpha", "beta")]
    return World(cast=cast, alpha=rows[0], beta=rows[1], sql=sql, style=style, upstream=upstream)


def _waiting(cast: shared.Cast, stage: str) -> Promotion:
    promotion = story.requested(
        cast.engineer, checkpoint_named("chat-nano-2"), stage_named(stage, "chat")
    )
    if stage == "alpha":
        promotion = promotions.answer_gate(
            actor=cast.engineer, promotion=promotion, gate_id="says", yes=True, comment="It is."
        )
    return story.approved(cast.second_release_manager, promotion)


def changed_case(spec: SuiteSpec) -> SuiteSpec:
    first, *rest = spec.cases
    return dataclasses.replace(spec, cases=[dataclasses.replace(first, target="else"), *rest])


def publication(spec: Callable[[World], SuiteSpec]) -> Callable[[World], Sequence[Stale]]:
    def publish(world: World) -> Sequence[Stale]:
        suite = spec(world)
        beforehand = reads.stale_by_import(suite.name, suite)
        made = import_suite(actor=world.cast.eval_owner, name=suite.name, suite=suite)
        assert [found.as_dict() for found in beforehand] == [s.as_dict() for s in made.stale]
        return made.stale

    return publish


def application(old: str, new: str) -> Callable[[World], Sequence[Stale]]:
    def apply(world: World) -> Sequence[Stale]:
        assert old in FILE
        files = {"chat.yaml": FILE.replace(old, new, 1)}
        planned = apply_pipelines(actor=world.cast.release_manager, files=files, plan=True)
        done = apply_pipelines(actor=world.cast.release_manager, files=files)
        assert planned.as_dict()["pipelines"] == done.as_dict()["pipelines"]
        return done.pipelines[0].promotions

    return apply


def draft_case(world: World) -> Sequence[Stale]:
    suite = Suite.objects.get(name="sql")
    draft = drafts.draft_of(actor=world.cast.eval_owner, suite=suite)
    assert reads.stale_by_draft(draft) == []
    cases.remove_case(
        actor=world.cast.eval_owner, draft=draft, case_id="c00001", reason="mislabelled"
    )
    beforehand = reads.stale_by_draft(draft)
    published = drafts.publish(actor=world.cast.eval_owner, draft=draft)
    assert [found.as_dict() for found in beforehand] == [s.as_dict() for s in published.stale]
    return published.stale


def described(world: World) -> Sequence[Stale]:
    suite = dataclasses.replace(world.sql, description="Says it otherwise.", shelf_days=30)
    return import_suite(actor=world.cast.eval_owner, name="sql", suite=suite).stale


def moved(world: World) -> Sequence[Stale]:
    place = world.alpha.checkpoint.deployments.get()
    disable_deployment(actor=world.cast.engineer, deployment=place, reason="It moves.")
    return _newly_stale(world)


def deployed(world: World) -> Sequence[Stale]:
    add_deployment(
        actor=world.cast.engineer,
        checkpoint=world.alpha.checkpoint,
        base_url="http://127.0.0.1:9/elsewhere",
        upstream_model="m",
        skip_probe_reason="The upstream is only reachable from inside.",
    )
    return _newly_stale(world)


def _newly_stale(world: World) -> list[Stale]:
    return [
        Stale(promotion=row, gates=gates)
        for row in (world.alpha, world.beta)
        if (gates := _stale_gates(world.outcomes(row)))
    ]


def _stale_gates(outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    return tuple(name for name, outcome in outcomes.items() if outcome is Outcome.STALE)


Change = tuple[str, Callable[[World], Sequence[Stale]], dict[str, tuple[str, ...]], set[str]]
# What changes; which gates of which stage go stale; in which stages approvals are void.
CHANGES: list[Change] = [
    ("a case", publication(lambda w: changed_case(w.sql)), {"alpha": ON_SQL}, {"alpha"}),
    (
        "a grader's field",
        publication(lambda w: dataclasses.replace(w.sql, graders=[{**JUDGE, "name": "strict"}])),
        {"alpha": ON_SQL},
        {"alpha"},
    ),
    (
        "a judge's version",
        publication(lambda w: dataclasses.replace(w.sql, graders=[{**JUDGE, "version": 4}])),
        {"alpha": ON_SQL},
        {"alpha"},
    ),
    ("a case of a draft", draft_case, {"alpha": ON_SQL}, {"alpha"}),
    (
        "another suite's case",
        publication(lambda w: changed_case(w.style)),
        {"alpha": ("style",), "beta": ("style",)},
        {"alpha", "beta"},
    ),
    ("a new suite", publication(lambda w: suites.spec("other", 12)), {}, set()),
    ("the same suite again", publication(lambda w: w.sql), {}, set()),
    ("its description", described, {}, set()),
    ("a policy line", application("at_least: 0.5}", "at_least: 0.4}"), {"alpha": ("floor",)},
     {"alpha"}),
    ("a shadow's line", application("0.9, shadow: true", "0.8, shadow: true"),
     {"alpha": ("looks",)}, {"alpha"}),
    ("a question", application("Is it good?", "Is it very good?"), {"alpha": ("says",)}, {"alpha"}),
    ("who approves", application("approvals: {required: 2,", "approvals: {required: 3,"), {},
     {"alpha"}),
    ("a holdback", application("  - name: beta\n", "  - name: beta\n    holdback: 10\n"), {},
     {"beta"}),
    ("a new gate", application("      - {kind: eval_fresh, id: fresh, suite: sql}\n",
     "      - {kind: eval_fresh, id: fresh, suite: sql}\n"
     "      - {kind: eval_fresh, suite: style}\n"),
     {}, {"alpha"}),
    ("a gate less", application("      - {kind: eval_fresh, id: fresh, suite: sql}\n", ""), {},
     {"alpha"}),
    ("a freeze", application("  - name: beta\n", "  - name: beta\n    freezes: [{name: n, starts: "
     "\"2030-01-01T00:00\", for: 1h, time_zone: UTC, reason: x}]\n"), {}, set()),
    ("a comment", application("  - name: beta\n", "  # the last one\n  - name: beta\n"), {}, set()),
    ("a deployment less", moved, {"alpha": ("artifact-1",), "beta": ("artifact-1",)},
     {"alpha", "beta"}),
    ("a deployment more", deployed, {"alpha": ("artifact-1",), "beta": ("artifact-1",)},
     {"alpha", "beta"}),
]  # fmt: skip


def test_a_change_turns_what_rests_on_it_stale_and_nothing_else(world: World) -> None:
    rows = {"alpha": world.alpha, "beta": world.beta}
    before = {name: world.outcomes(row) for name, row in rows.items()}
    assert all(outcome is Outcome.PASS for found in before.values() for outcome in found.values())
    n_before = {name: row.evaluations.count() for name, row in rows.items()}
    assert Approval.objects.filter(voided_at__isnull=True).count() == 2
    for name, change, stale, void in CHANGES:
        with taken_back():
            told = change(world)
            assert {s.promotion.stage.name: s.gates for s in told if s.gates} == stale, name
            for stage, row in rows.items():
                left = world.outcomes(row)
                expected = stale.get(stage, ())
                assert set(_stale_gates(left)) == set(expected), (name, stage, left)
                kept = {gate for gate in before[stage] if gate in left} - set(expected)
                assert all(left[gate] is Outcome.PASS for gate in kept), (name, stage, left)
                standing = row.approvals.filter(voided_at__isnull=True).exists()
                assert standing is (stage not in void), (name, stage)
                is_touched = row.evaluations.count() != n_before[stage]
                assert is_touched is (stage in void or bool(expected)), (name, stage)


def test_a_gate_that_is_new_is_asked_before_anything_admits(world: World) -> None:
    fresh = "      - {kind: eval_fresh, id: fresh, suite: sql}\n"
    more = "      - {kind: eval_fresh, id: style-fresh, suite: style}\n"
    text = FILE.replace(fresh, fresh + more)
    (plan,) = apply_pipelines(actor=world.cast.release_manager, files={"chat.yaml": text}).pipelines
    (stale,) = plan.promotions
    assert (stale.gates, stale.added, stale.removed) == ((), ("style-fresh",), ())
    assert world.outcomes(world.alpha)["style-fresh"] is Outcome.INCONCLUSIVE
    promotions.advance_promotions()
    assert world.outcomes(world.alpha)["style-fresh"] is Outcome.PASS


def test_a_policy_that_leaves_shadows_alone_admits_nothing(world: World) -> None:
    at = FILE.index("  - name: beta")
    shadows = FILE[:at].replace("{kind: artifact}", "{kind: artifact, shadow: true}")
    for line in ("floor", "pinned", "fresh", "style"):
        shadows = shadows.replace(f"id: {line},", f"id: {line}, shadow: true,")
    shadows = shadows.replace("         margin: 0.4}", "         margin: 0.4, shadow: true}")
    shadows = shadows.replace("id: says,", "id: says, shadow: true,")
    apply_pipelines(
        actor=world.cast.release_manager,
        files={"chat.yaml": shadows.replace("required: 2", "required: 0") + FILE[at:]},
    )
    row = promotion_with_id(world.alpha.pk)
    assert world.outcomes(row)["ungated"] is Outcome.ERROR
    assert not decision_of(row).admits


def test_the_audit_names_promotions_and_gates(world: World) -> None:
    publication(lambda w: changed_case(w.sql))(world)
    entry = AuditEntry.objects.filter(action="suite.published").order_by("-seq").first()
    assert entry is not None
    (sentence,) = entry.after["made_stale"]
    assert sentence == (
        "chat-nano-2 to chat/alpha: floor, no-worse, fresh, looks stale; "
        "void: the approval of Second Release Manager."
    )
    moved_entries = AuditEntry.objects.filter(action="promotion.stale")
    assert [row.object_id for row in moved_entries] == [str(world.alpha.pk)]


def test_the_console_says_what_would_go_stale(world: World, client: Client) -> None:
    client.force_login(User.objects.get(username="eval_owner"))
    suite = Suite.objects.get(name="sql")
    draft = drafts.draft_of(actor=world.cast.eval_owner, suite=suite)
    page = client.get("/console/suites/sql/").content.decode()
    assert "No outcome of an open promotion rests on it" in page
    cases.remove_case(
        actor=world.cast.eval_owner, draft=draft, case_id="c00001", reason="mislabelled"
    )
    page = client.get("/console/suites/sql/").content.decode()
    assert "What would go stale" in page
    assert "floor, no-worse, fresh, looks" in page
    assert "the approval of Second Release Manager" in page
