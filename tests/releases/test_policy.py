"""Pipeline files: every mistake at once with its line, and the policies they compile to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from releases.durations import duration
from releases.gates.registry import kinds
from releases.gates.terms import gates_of
from releases.policy import PipelineSpec, read_pipelines
from releases.policy.changes import changes
from tests.releases.documents import PIPELINE


def spec(text: str = PIPELINE) -> PipelineSpec:
    specs, problems = read_pipelines(text, "chat.yaml", kinds())
    assert [str(problem) for problem in problems] == []
    return specs[0]


def policies(text: str) -> dict[str, Any]:
    return {stage.name: stage.policy for stage in spec(text).stages}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "24", "1w", "-1h", "1.5h", "9999d", " 1h", "1h\n", "١h"])
def test_another_text_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write a whole number"):
        duration(text)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("wrong key", "    gates:\n      - {kind: artifact}", "    gatez: []", "chat.yaml:6: "),
        ("unknown stage", "stage: internal, soak", "stage: intern, soak", "no stage 'intern'"),
        ("bad duration", "soak: 24h", "soak: 24 hours", "is not a duration"),
        ("long duration", "soak: 24h", "soak: 9999d", "at most 3650d"),
        ("unknown kind", "kind: artifact", "kind: artefact", "no kind of gate 'artefact'"),
        ("gate's key", "at_least: 0.6", "at_leest: 0.6", "did you mean at_least?"),
        ("gate's value", "at_least: 0.6", "at_least: 1.6", "maximum of 1"),
        ("unknown role", "role: behaviour-reviewer", "role: wizard", "unknown role 'wizard'"),
        ("unknown group", "[release-managers]", "[wizards]", "unknown role 'wizards'"),
        ("stage twice", "name: closed-alpha", "name: internal", "is there twice"),
        ("reserved id", "kind: artifact", "id: approvals, kind: artifact", "a word of Slipway's"),
        ("two forms", "after: {all", "after: {k: 1, all", "one of the three"),
        ("too many", "after: {all: [{", "after: {k: 2, of: [{", "k is 2, but 1 stages"),
        ("circle", "stage: internal, soak", "stage: closed-alpha, soak", "goes in a circle"),
        ("codename", "quasar-alpha", "Quasar", "lower-case"),
        ("line end", "family: chat", 'family: "chat\\n"', "lower-case"),
    ],
)
def test_a_mistake_is_named(name: str, old: str, new: str, expected: str) -> None:
    assert old in PIPELINE
    specs, problems = read_pipelines(PIPELINE.replace(old, new, 1), "chat.yaml", kinds())
    assert specs == []
    assert any(expected in str(problem) for problem in problems), [str(p) for p in problems]
    assert all(problem.line for problem in problems)


def test_all_mistakes_of_a_file_come_at_once_in_order() -> None:
    text = (
        PIPELINE.replace("kind: artifact", "kind: artefact")
        .replace("soak: 24h", "soak: soon")
        .replace("    approvals:", "    approvels:")
    )
    _, problems = read_pipelines(text, "chat.yaml", kinds())
    assert [problem.line for problem in problems] == [7, 9, 14]


def test_a_circle_is_told_once_with_its_way() -> None:
    text = PIPELINE.replace(
        "  - name: internal\n", "  - name: internal\n    after: {all: [{stage: closed-alpha}]}\n"
    )
    _, problems = read_pipelines(text, "chat.yaml", kinds())
    (problem,) = problems
    assert "internal after closed-alpha after internal" in problem.sentence


def test_after_becomes_the_first_gate() -> None:
    policy = policies(PIPELINE)["closed-alpha"]
    assert [(gate.id, gate.kind) for gate in gates_of(policy)] == [
        ("soak-1", "soak"),
        ("eval_floor-1", "eval_floor"),
        ("sign_off-1", "sign_off"),
    ]
    assert gates_of(policy)[0].options == {"stage": "internal", "soak": "24h"}


def test_a_choice_of_stages_becomes_one_gate() -> None:
    text = PIPELINE.replace("{all: [{stage: internal, soak: 24h}]}", "{any: [{stage: internal}]}")
    (gate, *_) = gates_of(policies(text)["closed-alpha"])
    assert gate.options == {"any": [{"stage": "internal"}]}


def test_ids_are_unique_beside_chosen_ones() -> None:
    text = PIPELINE.replace(
        "      - {kind: artifact}",
        "      - {kind: manual, question: A}\n"
        "      - {kind: manual, id: manual-1, question: B}\n"
        "      - {kind: manual, question: C, shadow: true}",
    )
    found = [(g.id, g.options["question"], g.shadow) for g in gates_of(policies(text)["internal"])]
    assert found == [("manual-2", "A", False), ("manual-1", "B", False), ("manual-3", "C", True)]


def test_a_gate_id_can_not_be_given_twice() -> None:
    text = PIPELINE.replace(
        "{kind: artifact}", "{kind: artifact, id: x}\n      - {kind: artifact, id: x}"
    )
    _, problems = read_pipelines(text, "chat.yaml", kinds())
    assert [(p.line, "is there twice" in p.sentence) for p in problems] == [(8, True)]


def test_groups_are_kept_as_the_roles_are_called() -> None:
    text = PIPELINE.replace("[release-managers]", "[release-manager]")
    assert policies(text)["closed-alpha"]["approvals"] == {
        "required": 1,
        "groups": ["release-managers"],
        "expires": "7d",
    }


def test_format_and_comments_do_not_change_the_digest() -> None:
    text = "# a comment\n" + PIPELINE.replace("{kind: artifact}", "kind: artifact")
    assert spec(text).digest == spec().digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("at_least: 0.6", "at_least: 0.7", "gate eval_floor-1 changes: at_least 0.6 → 0.7."),
        ("quasar-alpha", "quasar-beta", "nano is called quasar-beta instead of quasar-alpha."),
        ("    codenames: {nano: quasar-alpha}\n", "", "nano is no longer called quasar-alpha."),
        ("      - {kind: artifact}", "      []", "gate artifact-1 is removed."),
        ("required: 1", "required: 2", 'approvals {"required": 1,'),
        ("name: internal\n", "name: first\n", "Stage internal is retired."),
    ],
)
def test_a_change_is_told_in_a_sentence(old: str, new: str, expected: str) -> None:
    text = PIPELINE.replace(old, new)
    if "name: first" in new:
        text = text.replace("stage: internal", "stage: first")
    found = [change.sentence for change in changes(policies(PIPELINE), policies(text))]
    assert any(expected in sentence for sentence in found), found


def test_no_change_is_told_of_the_same_policies() -> None:
    assert changes(policies(PIPELINE), policies(PIPELINE)) == []


def test_stages_that_change_place_are_told() -> None:
    before = policies(PIPELINE)
    after = dict(reversed(before.items()))
    assert [c.sentence for c in changes(before, after)] == [
        "Stage closed-alpha and others change place: closed-alpha → internal."
    ]
