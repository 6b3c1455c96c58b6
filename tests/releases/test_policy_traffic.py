"""What a pipeline file says about moving traffic and about freezes, checked by table."""

from __future__ import annotations

from typing import Any

import pytest

from releases.gates.registry import kinds
from releases.policy import read_pipelines

FILE = """\
kind: Pipeline
name: chat
family: chat
freezes:
  - {name: winter, starts: "2026-12-20T00:00", for: 14d, time_zone: Europe/Berlin, reason: Rest.}
stages:
  - name: alpha
    ramp: [{percent: 10, for: 2h}, {percent: 50, monitored: true}, {percent: 90}]
    holdback: 10
    guardrails:
      - {kind: error_rate, ratio_at_most: 2.0, action: halt}
      - {kind: error_rate, at_most: 0.2, action: rollback, id: ceiling}
    gates:
      - {kind: artifact}
    freezes:
      - name: nights
        starts: 2026-01-01T18:00
        for: 14h
        rule: FREQ=DAILY
        except: ["2026-02-02T18:00"]
        time_zone: America/New_York
        reason: Nobody is there.
  - name: beta
    gates:
      - {kind: artifact}
  - name: production
    after: {all: [{stage: alpha}]}
    gates:
      - {kind: feedback_rate, counts: thumbs_down, ratio_at_most: 2.0}
      - {kind: error_rate, at_most: 0.1, stage: beta}
"""


def problems(text: str) -> list[tuple[int | None, str]]:
    _, found = read_pipelines(text, "chat.yaml", kinds())
    return [(problem.line, str(problem)) for problem in found]


def policies(text: str = FILE) -> dict[str, Any]:
    specs, found = read_pipelines(text, "chat.yaml", kinds())
    assert [str(problem) for problem in found] == []
    return {stage.name: stage.policy for stage in specs[0].stages}


def test_ramps_holdbacks_and_guardrails_are_kept_with_their_ids() -> None:
    alpha = policies()["alpha"]
    assert alpha["ramp"] == [
        {"percent": 10, "for": "2h"},
        {"percent": 50, "monitored": True},
        {"percent": 90},
    ]
    assert alpha["holdback"] == 10
    assert [(item["id"], item["action"]) for item in alpha["guardrails"]] == [
        ("error_rate-1", "halt"),
        ("ceiling", "rollback"),
    ]
    assert alpha["guardrails"][0] == {
        "id": "error_rate-1",
        "kind": "error_rate",
        "ratio_at_most": 2.0,
        "action": "halt",
    }


def test_freezes_change_the_pipeline_and_no_policy() -> None:
    with_freezes, without = FILE, FILE.replace("FREQ=DAILY", "FREQ=DAILY;COUNT=90")
    (one,), _ = read_pipelines(with_freezes, "chat.yaml", kinds())
    (other,), _ = read_pipelines(without, "chat.yaml", kinds())
    assert one.digest != other.digest
    assert [stage.digest for stage in one.stages] == [stage.digest for stage in other.stages]
    assert [freeze["name"] for freeze in one.freezes] == ["winter"]
    assert [freeze["name"] for freeze in one.stages[0].freezes] == ["nights"]


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "expected"),
    [
        ("shrinks", "percent: 50", "percent: 9", 8, "9 follows 10: ramps only grow"),
        ("stands", "percent: 50", "percent: 10", 8, "10 follows 10: ramps only grow"),
        ("nothing", "percent: 10,", "percent: 0,", 8, "less than the minimum of 1"),
        ("over", "{percent: 90}]", "{percent: 95}]", 8, "95% are more than the 90%"),
        ("over before", "percent: 50", "percent: 91", 8, "91% are more than the 90%"),
        ("no end", "percent: 10, for: 2h", "percent: 10", 8, "would be over at once"),
        ("false waits", "monitored: true", "approval: false", 8, "would be over at once"),
        ("bad span", "for: 2h", "for: two hours", 8, "is not a duration"),
        ("long span", "for: 2h", "for: 9999d", 8, "at most 3650d"),
        ("step key", "for: 2h", "form: 2h", 8, "did you mean for?"),
        ("all of it", "    holdback: 10\n", "    holdback: 100\n", 9, "maximum of 99"),
        (
            "watched by nobody",
            "    guardrails:\n"
            "      - {kind: error_rate, ratio_at_most: 2.0, action: halt}\n"
            "      - {kind: error_rate, at_most: 0.2, action: rollback, id: ceiling}\n",
            "",
            8,
            "but the stage has none",
        ),
        (
            "watched alone",
            "{percent: 90}]\n    holdback: 10",
            "{percent: 100, monitored: true}]",
            8,
            "no incumbent arm",
        ),
        (
            "guards nothing",
            "    ramp: [{percent: 10, for: 2h}, {percent: 50, monitored: true}, {percent: 90}]\n"
            "    holdback: 10\n",
            "",
            8,
            "the stage needs a `ramp` or a `holdback`",
        ),
        ("no action", ", action: halt", "", 11, "'action' is a required property"),
        ("other action", "action: halt", "action: mail", 11, "'mail' is not one of"),
        ("guardrail", "error_rate, ratio", "eror_rate, ratio", 11, "no kind of guardrail"),
        ("its key", "ratio_at_most: 2.0, action", "ratio: 2.0, action", 11, "unknown key"),
        ("its value", "at_most: 0.2", "at_most: 2", 12, "2 is"),
        ("its id twice", "id: ceiling}", "id: x}\n      - {kind: cost, ratio_at_most: 2, "
         "action: halt, id: x}", 13, "x is there twice"),
        ("no arm", "after: {all: [{stage: alpha}]}", "after: {all: [{stage: beta}]}", 29,
         "but beta never has both"),
        ("no stage", "    after: {all: [{stage: alpha}]}\n", "", 28, "no stage to read"),
        ("other stage", "ratio_at_most: 2.0}", "ratio_at_most: 2.0, stage: beta}", 29,
         "but beta never has both"),
        ("margin", "at_most: 0.1, stage", "margin: 0.1, reference_rate: 0.1, stage", 30,
         "but beta never has both"),
        ("time zone", "Europe/Berlin", "Europe/Berlinn", 5, "'Europe/Berlinn' is no time zone"),
        ("no zone", "America/New_York", "Mars", 21, "'Mars' is no time zone"),
        ("no day", "2026-12-20T", "2026-02-30T", 5, "is no local time"),
        ("rule", "FREQ=DAILY", "FREQ=SOMETIMES", 19, "FREQ is one of"),
        ("endless", "for: 14h", "for: 24h", 19, "each window runs into the next one"),
        ("offset", "2026-01-01T18:00", "2026-01-01T18:00Z", 17, "without an offset"),
        ("exception", "2026-02-02T18:00", "2026-13-02T18:00", 20, "is no local time"),
        ("leaves out", "2026-02-02T18:00", "2026-02-02T19:00", 20, "leaves out nothing"),
        ("freeze key", "reason: Nobody is there.", "reasons: x", 16, "'reason' is a required"),
        ("freeze twice", "  - name: nights\n", "  - {name: nights, starts: 2026-01-01T18:00, for: "
         "1h, time_zone: UTC, reason: x}\n      - name: nights\n", 17, "is there twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(
    name: str, old: str, new: str, line: int, expected: str
) -> None:
    assert old in FILE
    found = problems(FILE.replace(old, new, 1))
    assert any(number == line and expected in text for number, text in found), found


def test_a_ramp_alone_gives_an_arm_to_compare_with() -> None:
    text = FILE.replace("    holdback: 10\n", "").replace("{percent: 90}", "{percent: 100}")
    assert policies(text)["alpha"]["holdback"] == 0


def test_a_holdback_alone_gives_an_arm_to_compare_with() -> None:
    ramp = "    ramp: [{percent: 10, for: 2h}, {percent: 50, monitored: true}, {percent: 90}]\n"
    assert policies(FILE.replace(ramp, ""))["alpha"]["ramp"] == []


def test_what_is_malformed_is_left_to_the_schema() -> None:
    for old, new in [
        ("ramp: [{", "ramp: {percent: 5} #"),
        ("guardrails:\n", "guardrails: 5\n    x-was:\n"),
        ("freezes:\n  - {", "freezes:\n  - 5\n  - {"),
        ("holdback: 10", "holdback: ten"),
        ("percent: 50", "percent: fifty"),
    ]:
        assert old in FILE
        assert problems(FILE.replace(old, new, 1))
