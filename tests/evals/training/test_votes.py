"""Blind side by sides as preference rows: decided ones alone, of text that may be used."""

from __future__ import annotations

import io
import json
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.urls import reverse

from alpha import sealing
from alpha.models import PreferenceSession, PreferenceText, Transcript
from evals.models import TrainingExport, TrainingRow
from evals.selectors import lineage
from evals.services import training, training_files
from evals.services.corrections import Asked
from evals.services.training import Wanted
from evals.training import files
from evals.training.contract import Split, TrainingKind
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove
from infra.ids import uuid7
from infra.models import Person
from releases.models import Checkpoint
from tests import builders as shared
from tests import clients
from tests.alpha import builders as alpha
from tests.alpha import votes
from tests.alpha.builders import Access
from tests.evals.training import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def of() -> Access:
    shared.cast()
    return alpha.access()


@pytest.fixture
def owner(of: Access) -> Actor:
    return shared.cast().eval_owner


@pytest.fixture
def other(of: Access) -> Checkpoint:
    return shared.checkpoint("chat-nano-2", checkpoint_digest="2" * 64)


def by_partner(
    of: Access, other: Checkpoint, choice: str, question: str, a: str, b: str, *, kept: int = 2
) -> PreferenceSession:
    """A partner's side by side; the text of so many of its two calls is kept."""
    calls = [uuid7(), uuid7()]
    for call, answer in list(zip(calls, (a, b), strict=True))[:kept]:
        world.keep(of.partner, call, world.said(question, answer))
    made = votes.session(
        of.partner, of.checkpoint, other, question, request_a=calls[0], request_b=calls[1]
    )
    votes.vote(made, choice)
    return made


def by_reviewer(of: Access, other: Checkpoint, choice: str, *, is_kept: bool) -> PreferenceSession:
    """A reviewer's own prompt, whose text was asked to be kept, or not."""
    reviewer = Person.objects.get(pk=shared.cast().behaviour_reviewer.person_id)
    made = votes.session(reviewer, other, of.checkpoint, "own")
    key, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, made.pk)
    answers = {name: {"content": text, "tool_calls": []} for name, text in
               (("a", "Two, as ada@x.example says."), ("b", "Three."))}  # fmt: skip
    said = {"messages": [{"role": "user", "content": "One and one?"}], **answers}
    PreferenceText.objects.create(
        session=made,
        wrapped_key=wrapped,
        sealed=sealing.seal(key, made.pk, orjson.dumps(said)),
        is_kept=is_kept,
    )
    votes.vote(made, choice)
    return made


def wanted(**fields: Any) -> Wanted:
    asked = Asked(with_votes=True)
    return Wanted(kind=TrainingKind.DPO, **{"asked": asked, "validation_share": 0, **fields})


def rows_of(owner: Actor, export: TrainingExport) -> list[dict[str, Any]]:
    made = training_files.lines_of(actor=owner, export=export, split=Split.TRAIN)
    return [json.loads(line) for line in made]


def test_the_preferred_answer_stands_over_the_other_one(
    of: Access, owner: Actor, other: Checkpoint
) -> None:
    first = by_partner(of, other, "a", "What is chat-nano-1?", "I am Chat Nano 1.", "A model.")
    by_partner(of, other, "b", "Is it?", "No.", "Yes.")
    own = by_reviewer(of, other, "a", is_kept=True)
    for choice in ("tie", "both_bad"):
        by_partner(of, other, choice, f"A {choice}?", "Yes.", "No.")
    by_partner(of, other, "a", "Half of it is kept?", "Yes.", "No.", kept=1)
    by_partner(of, other, "a", "The same?", "Yes.", "Yes.")
    by_reviewer(of, other, "a", is_kept=False)
    export = training.make_export(actor=owner, wanted=wanted())
    assert (export.n_train, export.left_out) == (
        3, {"nobody_preferred": 2, "text_not_kept": 2, "same_as_reply": 1}
    )  # fmt: skip
    told = [
        (row["input"]["messages"][0]["content"], *(row[f"{which}_output"][0]["content"]
         for which in ("preferred", "non_preferred")))
        for row in rows_of(owner, export)
    ]  # fmt: skip
    assert told == [
        # Voted on without names, trained on without names.
        ("What is chat-nano-1?", "I am [name masked].", "A model."),
        ("Is it?", "Yes.", "No."),
        ("One and one?", "Two, as [email 1] says.", "Three."),
    ]
    origins = {row["line"]: row for row in training_files.origins(export)}
    assert (origins[1]["preference"], origins[3]["preference"]) == (str(first.pk), str(own.pk))
    assert "feedback" not in origins[1]
    assert training.make_export(actor=owner, wanted=wanted()).digest == export.digest


def test_remarks_come_first_and_votes_are_left_out_unless_asked_for(
    of: Access, owner: Actor, other: Checkpoint
) -> None:
    world.many(of, 2)
    by_partner(of, other, "a", "Is it?", "No.", "Yes.")
    both = training.make_export(actor=owner, wanted=wanted())
    assert [bool(row.get("feedback")) for row in training_files.origins(both)] == [
        True,
        True,
        False,
    ]
    alone = training.make_export(actor=owner, wanted=wanted(asked=Asked()))
    assert alone.n_train == 2 and "with_votes" not in alone.filter
    for fields, told in (
        ({"kind": TrainingKind.SFT}, "sft rows can't say that"),
        ({"asked": Asked(with_votes=True, finding=uuid7())}, "belong to no finding"),
    ):
        with pytest.raises(InvalidInput, match=told):
            training.make_export(actor=owner, wanted=Wanted(**{
                "kind": TrainingKind.DPO, "asked": Asked(with_votes=True), **fields
            }))  # fmt: skip
    with pytest.raises(IntegrityError, match="training_row_origin"), transaction.atomic():
        TrainingRow.objects.create(export=both, split="train", line=9, digest="0" * 64)


def test_once_a_text_is_gone_the_file_is_not_given_again(
    of: Access, owner: Actor, other: Checkpoint
) -> None:
    made = by_partner(of, other, "b", "Is it?", "No.", "Yes.")
    export = training.make_export(actor=owner, wanted=wanted())
    assert len(rows_of(owner, export)) == 1
    Transcript.objects.filter(request_id=made.request_b).delete()
    with pytest.raises(InvalidMove, match="text of 1 of 1 rows"):
        rows_of(owner, export)
    own = by_reviewer(of, other, "a", is_kept=True)
    export = training.make_export(actor=owner, wanted=wanted())
    assert len(rows_of(owner, export)) == 1
    PreferenceText.objects.filter(session=own).delete()
    with pytest.raises(InvalidMove, match="text of 1 of 1 rows"):
        rows_of(owner, export)


def test_a_changed_text_is_counted_and_never_a_row(
    of: Access, owner: Actor, other: Checkpoint
) -> None:
    own = by_reviewer(of, other, "a", is_kept=True)
    by_partner(of, other, "b", "Is it?", "No.", "Yes.")
    PreferenceText.objects.filter(session=own).update(sealed=b"\x01garbage")
    export = training.make_export(actor=owner, wanted=wanted())
    assert (export.n_train, export.left_out) == (1, {"text_damaged": 1})


def test_its_lineage_leads_to_the_side_by_side_and_tells_no_choice(
    of: Access, owner: Actor, other: Checkpoint
) -> None:
    made = by_partner(of, other, "a", "Is it?", "No.", "Yes.")
    export = training.make_export(actor=owner, wanted=wanted())
    row = export.rows.get()
    for subject in (row.pk, export.pk, made.pk):
        found = lineage.road(subject)
        stops = {step.name: [stop.id for stop in step.stops] for step in found.steps}
        assert stops["Side by side"] == [str(made.pk)]
        assert stops["Training rows"] == [str(row.pk)]
        assert "chat-nano" not in json.dumps(lineage.as_json(found))
    page = clients.signed_in("eval_owner").get(reverse("console-lineage"), {"id": str(row.pk)})
    assert reverse("console-preference", args=[made.pk]) in page.content.decode()


def test_command_api_and_page_take_votes_too(
    of: Access, owner: Actor, other: Checkpoint, tmp_path: Any
) -> None:
    by_partner(of, other, "a", "Is it?", "No.", "Yes.")
    folder, out = tmp_path / "out", io.StringIO()
    words = ("export", "dpo", str(folder), "--with-votes", "--by", "eval_owner")
    call_command("training", *words, "--validation-share", "0", stdout=out)
    train = folder / "train.jsonl"
    assert list(files.check_files(TrainingKind.DPO, train)) == []
    client = clients.signed_in("eval_owner")
    body = {"kind": "dpo", "with_votes": True, "validation_share": 0}
    made = client.post("/api/training/exports/", body, format="json")
    assert made.status_code == 201 and made.json()["filter"]["with_votes"] is True
    refused = client.post("/api/training/exports/", {**body, "kind": "sft"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (400, "votes_not_used")
    place = reverse("console-training")
    assert "1 blind side by side with a vote" in client.get(place).content.decode()
    form = {"do": "export", "kind": "dpo", "validation_share": "0", "seed": "0", "with_votes": "on"}
    shown = client.post(place, form, format="multipart")
    assert shown.status_code == 302, shown.content.decode()
    digests = set(TrainingExport.objects.values_list("digest", flat=True))
    assert len(digests) == 1
