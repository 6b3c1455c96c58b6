"""What a reinforcement job would learn nothing by is said before it is exported."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from evals.models import TrainingExport
from evals.services import training_readiness
from evals.services.training import Wanted
from evals.training.contract import Split, TrainingKind
from evals.training.readiness import Concern, Tried, notes_on
from infra.errors import InvalidInput, NotPermitted
from tests import builders as shared
from tests import clients
from tests.alpha import builders as alpha
from tests.alpha.builders import Access
from tests.evals.training import world

ENOUGH = {Split.TRAIN: 500, Split.VALIDATION: 50}
RIGHT = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_text}}",
    "operation": "eq",
}


def pairs(*scores: tuple[float | None, float | None]) -> list[Tried]:
    return [Tried(answered=answered, wanted=wanted) for answered, wanted in scores * 5]


@pytest.mark.parametrize(
    ("tried", "concerns"),
    [
        (pairs((0.2, 0.9), (0.0, 1.0)), []),
        (pairs((0.5, 0.5)), [Concern.GRADER_CONSTANT]),
        (pairs((0.0, 0.0)), [Concern.GRADER_CONSTANT]),
        (pairs((0.0, 1.0)), [Concern.NEVER_RIGHT]),
        (pairs((1.0, 1.0), (1.0, 0.5)), [Concern.ALWAYS_RIGHT, Concern.REWARDS_WRONG]),
        (pairs((0.6, 0.4), (0.5, 0.4)), [Concern.REWARDS_WRONG]),
        (pairs((None, 0.4), (0.2, 0.9)), [Concern.GRADER_FAILS]),
        (pairs((None, None)), [Concern.GRADER_FAILS, Concern.NOT_TRIED]),
        ([], [Concern.NOT_TRIED]),
    ],
    ids=["good", "same", "zero", "never", "always", "reversed", "some-fail", "all-fail", "none"],
)
def test_what_the_scores_tell(tried: list[Tried], concerns: list[Concern]) -> None:
    assert [note.concern for note in notes_on(ENOUGH, 0, tried)] == concerns


def test_what_the_sizes_tell() -> None:
    good = pairs((0.2, 0.9), (0.0, 1.0))
    few = {Split.TRAIN: 49, Split.VALIDATION: 9}
    notes = notes_on(few, 3, good)
    assert [note.concern.value for note in notes] == ["over_the_most_rows", *["few_items"] * 2]
    assert notes[0].sentence == (
        "3 rows are beyond what a job takes (50,000 to train on and 1,000 to validate on) and "
        "would be left out."
    )
    asked = notes_on(ENOUGH, 0, [], "it asks a model, which costs money")
    assert [note.sentence for note in asked] == [
        "What the grader gives was not tried: it asks a model, which costs money."
    ]


@pytest.fixture
def of(db: None) -> Access:
    shared.cast()
    return alpha.access()


def wanted(grader: Any, **fields: Any) -> Wanted:
    return Wanted(kind=TrainingKind.RFT, **{"grader": grader, "validation_share": 0.3, **fields})


def concerns(grader: Any) -> list[str]:
    owner = shared.cast().eval_owner
    found = training_readiness.readiness(actor=owner, wanted=wanted(grader))
    return [note.concern.value for note in found.notes if note.concern != Concern.FEW_ITEMS]


def test_graders_are_tried_on_answers_and_corrections(of: Access) -> None:
    world.many(of, 30)
    said = '"yes" if "It is" in sample["output_text"] else "no"'
    python = {"type": "python", "name": "code"}
    assert concerns(world.GRADER) == []
    # Every answer was "No.", every correction another text.
    assert concerns(RIGHT) == ["baseline_at_0"]
    assert concerns({**RIGHT, "operation": "ne"}) == ["baseline_at_100", "correction_not_better"]
    assert concerns({**RIGHT, "reference": "never said"}) == ["grader_constant"]
    code = f'def grade(sample, item):\n    return {{"yes": 0.9, "no": 0.1}}[{said}]\n'
    assert concerns({**python, "source": code}) == []
    broken = "def grade(sample, item):\n    return 1 / 0\n"
    assert concerns({**python, "source": broken}) == ["grader_fails", "grader_not_tried"]
    messages = [{"role": "user", "content": "{{sample.output_text}}"}]
    judge = {"type": "score_model", "name": "judge", "model": "gpt-x", "input": messages}
    assert concerns(judge) == ["grader_not_tried"]
    both = {"type": "multi", "name": "two", "graders": {"a": judge}, "calculate_output": "a"}
    assert concerns(both) == ["grader_not_tried"]


def test_it_refuses_as_the_export_does_and_writes_nothing(of: Access) -> None:
    cast = shared.cast()
    with pytest.raises(InvalidInput, match="0 rows to train on"):
        concerns(RIGHT)
    world.many(of, 12)
    with pytest.raises(InvalidInput, match="needs a grader"):
        concerns(None)
    with pytest.raises(InvalidInput, match="Only rft exports are checked"):
        training_readiness.readiness(actor=cast.eval_owner, wanted=Wanted(kind=TrainingKind.SFT))
    with pytest.raises(NotPermitted):
        training_readiness.readiness(actor=cast.engineer, wanted=wanted(RIGHT))
    found = training_readiness.readiness(actor=cast.eval_owner, wanted=wanted(RIGHT))
    again = training_readiness.readiness(actor=cast.eval_owner, wanted=wanted(RIGHT))
    assert found == again and sum(found.n_rows.values()) == found.n_tried == 12
    assert not TrainingExport.objects.exists()


def test_command_api_and_page_say_the_same(of: Access, tmp_path: Path) -> None:
    world.many(of, 12)
    file = tmp_path / "grader.json"
    file.write_text(json.dumps(RIGHT))
    with pytest.raises(SystemExit):
        words = ("check", "--grader", str(file), "--by", "eval_owner", "--json")
        call_command("training", *words, stdout=io.StringIO(), stderr=io.StringIO())
    client = clients.signed_in("eval_owner")
    body = {"kind": "rft", "grader": RIGHT, "validation_share": 0.3}
    told = client.post("/api/training/readiness/", body, format="json")
    assert told.status_code == 200, told.content
    codes = {note["concern"] for note in told.json()["notes"]}
    assert codes == {"few_items", "baseline_at_0"}
    form = {"do": "export", "check_only": "on", "kind": "rft", "seed": "0",
            "validation_share": "0.3", "grader": json.dumps(RIGHT)}  # fmt: skip
    page = client.post(reverse("console-training"), form, format="multipart")
    text = page.content.decode()
    assert page.status_code == 409 and "no success to learn from" in text
    assert not TrainingExport.objects.exists()
