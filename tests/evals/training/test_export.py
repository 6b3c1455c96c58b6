"""Corrections as training files: whole, the same each time, and of consented text alone."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction

from alpha.models import PartnerDataKey
from evals.models import SuiteVersion, TrainingExport, TrainingRow
from evals.services import cases, training, training_files
from evals.services.corrections import Asked
from evals.services.training import Wanted
from evals.training import files
from evals.training.contract import Split, TrainingKind
from infra import clock
from infra.actors import Actor
from infra.errors import InvalidInput, InvalidMove, NotPermitted
from infra.models import AuditEntry
from infra.storage import object_store
from tests import builders as shared
from tests.alpha import builders as alpha
from tests.alpha.builders import Access
from tests.evals import builders
from tests.evals.training import world

pytestmark = pytest.mark.django_db
KINDS = list(TrainingKind)


@pytest.fixture
def of() -> Access:
    shared.cast()
    return alpha.access()


@pytest.fixture
def owner(of: Access) -> Actor:
    return shared.cast().eval_owner


def wanted(kind: TrainingKind = TrainingKind.SFT, **fields: Any) -> Wanted:
    grader = world.GRADER if kind is TrainingKind.RFT else None
    return Wanted(kind=kind, **{"grader": grader, "validation_share": 0.2, **fields})


def lines(owner: Actor, export: TrainingExport, split: Split = Split.TRAIN) -> list[dict[str, Any]]:
    made = training_files.lines_of(actor=owner, export=export, split=split)
    return [json.loads(line) for line in made]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.value for kind in KINDS])
def test_exported_files_load_line_by_line_and_obey_every_rule(
    of: Access, owner: Actor, kind: TrainingKind, tmp_path: Path
) -> None:
    world.many(of, 40)
    grader = tmp_path / "grader.json"
    grader.write_text(json.dumps(world.GRADER))
    options = ["--validation-share", "0.3"]
    options += ["--grader", str(grader)] if kind is TrainingKind.RFT else []
    folder = tmp_path / "out"
    call_command("training", "export", kind.value, str(folder), "--by", "eval_owner", *options)
    train, validation = folder / "train.jsonl", folder / "validation.jsonl"
    rows = [json.loads(line) for path in (train, validation) for line in path.open()]
    assert len(rows) == 40
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}
    assert list(files.check_files(kind, train, validation, folder / "grader.json")) == []
    assert files.kind_of(train) is kind
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["files"]:
        body = (folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
        assert file["n_bytes"] == len(body)
    origins = [json.loads(line) for line in (folder / "rows.jsonl").open()]
    by_line = {(one["file"], one["line"]): one["sha256"] for one in origins}
    for path in (train, validation):
        for number, line in enumerate(path.open("rb"), start=1):
            assert by_line[path.name, number] == hashlib.sha256(line).hexdigest()
    assert not list(folder.glob("*.part"))


def test_the_same_export_is_the_same_to_the_byte(of: Access, owner: Actor) -> None:
    world.many(of, 30)
    first = training.make_export(actor=owner, wanted=wanted())
    again = training.make_export(actor=owner, wanted=wanted())
    assert first.files == again.files and first.digest == again.digest
    other = training.make_export(actor=owner, wanted=wanted(seed=1))
    assert other.digest != first.digest
    body = b"".join(training_files.lines_of(actor=owner, export=first, split=Split.TRAIN))
    assert hashlib.sha256(body).hexdigest() == first.files[0]["sha256"]


def test_without_consent_no_row_and_the_reason_counted(of: Access, owner: Actor) -> None:
    world.many(of, 10)
    alpha.feedback(of, state="new", correction="CANARY-7f3a", request_id=None)
    erased = world.corrected(of, "CANARY-7f3a?", "Never.")
    erased.partner.transcripts.filter(request_id=erased.request_id).delete()
    damaged = world.corrected(of, "Damaged?", "Yes.")
    place = damaged.partner.transcripts.get(request_id=damaged.request_id).object_key
    object_store().put(place, object_store().get(place)[:-1] + b"x")
    put_aside = world.corrected(of, "Put aside?", "Yes.")
    put_aside.state = "dismissed"
    put_aside.save(update_fields=["state"])
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0))
    assert (export.n_train, export.n_validation) == (10, 0)
    assert export.left_out == {"no_call": 1, "text_damaged": 1, "text_not_kept": 1}
    assert "CANARY-7f3a" not in json.dumps(lines(owner, export))


def test_personal_data_is_taken_out_of_every_part(of: Access, owner: Actor) -> None:
    world.many(of, 9)
    text = world.said("I am ada@x.example. Call 415-555-0132.", "Hello ada@x.example!")
    world.corrected(of, "", "Dear ada@x.example, bob@x.example is away.", text=text)
    export = training.make_export(actor=owner, wanted=wanted(TrainingKind.DPO, validation_share=0))
    row = lines(owner, export)[-1]
    assert row["input"]["messages"][0]["content"] == "I am [email 1]. Call [phone 1]."
    assert row["preferred_output"][0]["content"] == "Dear [email 1], [email 2] is away."
    assert row["non_preferred_output"][0]["content"] == "Hello [email 1]!"


def test_what_no_row_can_hold_is_left_out_and_counted(of: Access, owner: Actor) -> None:
    builders.published(3, canary="canary-11aa")
    world.many(of, 3)
    world.corrected(of, "What is 0?", "It is 0.")
    world.corrected(of, "Same?", "No.")
    world.corrected(of, "It holds canary-11aa", "Yes.")
    calls = world.said("Call it.")
    calls["reply"] = [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}]
    world.corrected(of, "", "Called.", text=calls)
    odd = world.said("Odd")
    odd["request"]["messages"].append({"role": "narrator", "content": "…"})
    world.corrected(of, "", "Odd.", text=odd)
    world.corrected(of, "", "None.", text={"request": {"input": [1]}, "reply": []})
    export = training.make_export(actor=owner, wanted=wanted(TrainingKind.DPO, validation_share=0))
    assert export.n_train == 3
    assert export.left_out == dict.fromkeys(
        [
            "breaks_a_rule", "duplicate", "holds_a_canary", "no_messages", "reply_not_text",
            "same_as_reply",
        ],
        1,
    )  # fmt: skip


def test_what_a_suite_holds_is_not_trained_on_unless_asked_for(of: Access, owner: Actor) -> None:
    version = builders.published(3)
    remarks = world.many(of, 11)
    cases.case_from_feedback(
        actor=owner, feedback=remarks[0], suite=version.suite, target="x", components=["echo.first"]
    )
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0))
    assert (export.n_train, export.left_out) == (10, {"is_a_case": 1})
    assert not export.rows.filter(feedback=remarks[0]).exists()
    asked = Asked(with_cases=True)
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0, asked=asked))
    assert export.n_train == 11


def test_a_conversation_is_on_one_side_alone(of: Access, owner: Actor) -> None:
    for talk in range(30):
        opening = {"role": "user", "content": f"Talk {talk} begins."}
        turns: list[dict[str, Any]] = [opening]
        for turn in range(3):
            text = {
                "request": {"messages": list(turns)},
                "reply": [{"role": "assistant", "content": "No."}],
            }
            world.corrected(of, "", f"Better {talk}.{turn}", text=text)
            turns += [
                {"role": "assistant", "content": "No."},
                {"role": "user", "content": f"And {turn}?"},
            ]
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0.3))
    sides = {
        split: {row["messages"][0]["content"] for row in lines(owner, export, split)}
        for split in Split
    }
    assert not sides[Split.TRAIN] & sides[Split.VALIDATION]
    assert len(sides[Split.TRAIN] | sides[Split.VALIDATION]) == 30
    assert sides[Split.VALIDATION]


def test_an_export_narrows_by_what_is_asked(of: Access, owner: Actor) -> None:
    remarks = world.many(of, 12)
    asked = Asked(partner="acme", checkpoint=of.checkpoint.name, since=remarks[1].received_at)
    export = training.make_export(actor=owner, wanted=wanted(asked=asked, validation_share=0))
    assert export.n_train == 11
    assert export.filter["partner"] == "acme"
    with pytest.raises(InvalidInput, match="0 rows to train on"):
        training.make_export(actor=owner, wanted=wanted(asked=Asked(partner="other")))


def test_too_few_rows_are_refused_with_every_reason(of: Access, owner: Actor) -> None:
    world.many(of, 3)
    alpha.feedback(of, state="new", correction="x")
    with pytest.raises(InvalidInput, match="3 rows to train on: sft needs at least 10") as refused:
        training.make_export(actor=owner, wanted=wanted(validation_share=0))
    assert [reason.code for reason in refused.value.reasons] == ["no_call"]
    with pytest.raises(InvalidInput, match="No row to validate on"):
        training.make_export(actor=owner, wanted=wanted(TrainingKind.RFT, validation_share=0))
    assert not TrainingExport.objects.exists() and not TrainingRow.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": TrainingKind.RFT, "grader": None}, "needs a grader"),
        ({"kind": TrainingKind.RFT, "grader": {"type": "label_model"}}, "label_model"),
        ({"kind": TrainingKind.SFT, "grader": world.GRADER}, "takes no grader"),
        ({"validation_share": 0.6}, "write 0 to 0.5"),
        ({"validation_share": float("nan")}, "write 0 to 0.5"),
    ],
    ids=["none", "label model", "sft", "share", "nan"],
)
def test_what_makes_no_sense_is_refused_before_a_row_is_read(
    owner: Actor, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        training.make_export(actor=owner, wanted=wanted(**{"kind": TrainingKind.SFT, **fields}))


def test_only_those_who_own_evals_or_releases_export_and_only_as_persons(of: Access) -> None:
    world.many(of, 10)
    cast = shared.cast()
    for actor in (cast.engineer, cast.auditor, cast.partner_manager, cast.behaviour_reviewer):
        with pytest.raises(NotPermitted, match="export training rows"):
            training.make_export(actor=actor, wanted=wanted())
    with pytest.raises(NotPermitted, match="Only a person"):
        training.make_export(actor=builders.DEMO, wanted=wanted())
    export = training.make_export(actor=cast.release_manager, wanted=wanted(validation_share=0))
    with pytest.raises(NotPermitted):
        training_files.lines_of(actor=cast.auditor, export=export, split=Split.TRAIN)


def test_exports_are_audited_without_text_and_never_change(of: Access, owner: Actor) -> None:
    world.many(of, 10)
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0))
    list(training_files.lines_of(actor=owner, export=export, split=Split.TRAIN))
    newest = list(AuditEntry.objects.order_by("-seq")[:2])
    assert [entry.action for entry in newest] == ["training.downloaded", "training.exported"]
    assert newest[1].after["digest"] == export.digest
    assert newest[1].actor_name == "Eval Owner"
    assert "What is" not in json.dumps([entry.after for entry in newest])
    for change in (
        lambda: TrainingExport.objects.update(digest="0" * 64),
        lambda: TrainingRow.objects.update(digest="0" * 64),
        lambda: TrainingRow.objects.all().delete(),
        lambda: TrainingExport.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_erased_text_is_not_given_again(of: Access, owner: Actor) -> None:
    remarks = world.many(of, 10)
    export = training.make_export(actor=owner, wanted=wanted(validation_share=0))
    with clock.moved_by(timedelta(days=31)), pytest.raises(InvalidMove, match="of 10 of 10 rows"):
        training_files.lines_of(actor=owner, export=export, split=Split.TRAIN)
    place = remarks[3].partner.transcripts.get(request_id=remarks[3].request_id).object_key
    object_store().delete(place)
    made = training_files.lines_of(actor=owner, export=export, split=Split.TRAIN)
    with pytest.raises(InvalidMove, match="train.jsonl:4 is no longer"):
        list(made)
    PartnerDataKey.objects.update(wrapped_key=None)
    with pytest.raises(InvalidMove, match="of 10 of 10 rows was erased"):
        training_files.lines_of(actor=owner, export=export, split=Split.TRAIN)


def test_a_refused_export_leaves_no_file(of: Access, tmp_path: Path) -> None:
    world.many(of, 3)
    with pytest.raises(SystemExit):
        call_command("training", "export", "sft", str(tmp_path / "out"), "--by", "eval_owner")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "train.jsonl").write_text("mine")
    with pytest.raises(SystemExit):
        call_command("training", "export", "sft", str(tmp_path), "--by", "eval_owner")
    assert (tmp_path / "train.jsonl").read_text() == "mine"


def test_the_command_names_file_line_and_rule(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    bad = {"messages": [*row["messages"], {"role": "assistant", "content": "z", "weight": 3}]}
    path.write_text("\n".join(json.dumps(one) for one in [*[row] * 10, bad]) + "\n")
    with pytest.raises(SystemExit) as end:
        call_command("training", "validate", str(path), stderr=io.StringIO())
    assert end.value.code == 1
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("training", "validate", str(path), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["code"] == "rules_broken"
    assert [(r["code"], r["sentence"].split(" ")[0]) for r in told["reasons"]] == [
        ("weight", f"{path}:11:")
    ]
    path.write_text((json.dumps(row) + "\n") * 10)
    out = io.StringIO()
    call_command("training", "validate", str(path), stdout=out)
    assert "obeys every rule of sft" in out.getvalue()
    with pytest.raises(SystemExit):
        call_command("training", "validate", str(tmp_path / "none"), stderr=io.StringIO())


def test_list_and_show_tell_of_exports(of: Access, owner: Actor) -> None:
    out = io.StringIO()
    call_command("training", "list", stdout=out)
    assert "No export yet" in out.getvalue()
    world.many(of, 10)
    made = training.make_export(actor=owner, wanted=wanted(validation_share=0))
    out = io.StringIO()
    call_command("training", "show", str(made.pk), "--json", stdout=out)
    assert json.loads(out.getvalue())["digest"] == made.digest
    assert SuiteVersion.objects.count() == 0
