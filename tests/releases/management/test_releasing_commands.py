from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from releases.digests import sha256_of
from releases.models import Checkpoint, DecisionRecord, Stage
from releases.selectors.releases import current_release
from tests import builders, conftest
from tests.builders import Cast
from tests.releases import story


@pytest.fixture
def cast(db: None) -> Cast:
    return builders.cast()


@pytest.fixture
def to(cast: Cast) -> Stage:
    return story.stage(story.MANUAL)


@pytest.fixture
def candidate(cast: Cast) -> Checkpoint:
    return builders.checkpoint("chat-nano-2", checkpoint_digest=sha256_of("chat-nano-2"))


def said(*words: str, by: str = "") -> str:
    out = StringIO()
    call_command(*words, *(["--by", by] if by else []), stdout=out)
    return out.getvalue()


def printed(*words: str, by: str = "") -> Any:
    return json.loads(said(*words, "--json", by=by))


def refused(*words: str, by: str = "") -> Any:
    out = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command(*words, "--json", *(["--by", by] if by else []), stdout=out)
    assert exit_.value.code == 1
    return json.loads(out.getvalue())


def test_a_promotion_from_request_to_release(candidate: Checkpoint, to: Stage) -> None:
    asked = printed(
        "promotion", "request", "chat-nano-2", "closed-alpha", "--reason", "better", by="engineer"
    )
    assert [reason["gate_id"] for reason in asked["reasons"]] == ["manual-1", "approvals"]
    one = asked["id"]
    printed("promotion", "answer", one, "manual-1", "yes", "--comment", "ok", by="engineer")
    own = refused("promotion", "approve", one, by="engineer")
    assert [reason["code"] for reason in own["reasons"]][0] == "own_checkpoint"
    assert [row["id"] for row in printed("promotion", "list")] == [one]
    shown = said("promotion", "show", one)
    assert "Does the tone fit?" in shown and "inconclusive" in shown
    done = printed("promotion", "approve", one, by="release_manager")
    assert done["state"] == "promoted"
    assert [row["checkpoint"] for row in printed("release", "list")] == ["chat-nano-2"]


def test_a_waiver_takes_a_second_person(candidate: Checkpoint, to: Stage) -> None:
    one = printed(
        "promotion", "request", "chat-nano-2", "closed-alpha", "--reason", "better", by="engineer"
    )["id"]
    reason = "The engineer is away this week."
    asked = ("promotion", "waive", one, "manual-1", "--reason", reason)
    waiver = printed(*asked, by="release_manager")["waiver"]
    assert refused("promotion", "confirm", waiver, by="release_manager")["code"] == (
        "second_person_required"
    )
    printed("promotion", "confirm", waiver, by="second_release_manager")
    assert printed("promotion", "show", one)["reasons"][0]["outcome"] == "waived"


def test_hold_halt_and_roll_back(cast: Cast, candidate: Checkpoint, to: Stage) -> None:
    one = builders.checkpoint("chat-nano-1", checkpoint_digest=sha256_of("chat-nano-1"))
    for made in (one, candidate):
        story.promoted(cast, made, to)
    manager = "release_manager"
    where = ("--stage", "closed-alpha", "--size", "nano", "--reason", "odd")
    assert refused("halt", *where, by="engineer")["code"] == "not_permitted"
    assert printed("halt", *where, by=manager)["state"] == "halted"
    assert printed("release", "resume", *where, by=manager)["state"] == "live"
    back = printed("rollback", "closed-alpha", "nano", "--reason", "odd", by=manager)
    assert back["checkpoint"] == current_release(to, "nano").checkpoint.name == "chat-nano-1"
    (hold,) = printed("hold", "list")
    assert (hold["checkpoint"], hold["owner"]) == ("chat-nano-2", None)
    assert printed("hold", "lift", hold["id"], "--reason", "fixed", by=manager)["lifted_at"]
    placed = ("hold", "place", "--stage", "closed-alpha", "--reason", "odd")
    assert printed(*placed, by="engineer")["stage"] == "chat/closed-alpha"


def test_a_decision_is_exported_whole(
    cast: Cast, candidate: Checkpoint, to: Stage, tmp_path: Path
) -> None:
    promotion = story.promoted(cast, candidate, to)
    record = DecisionRecord.objects.get()
    path = tmp_path / "decision.json"
    said("decision", "export", str(promotion.pk), "--to", str(path))
    document = json.loads(path.read_text())
    assert document.pop("hash") == record.document_hash == sha256_of(document)
    assert printed("decision", "export", str(record.pk))["state"] == "promoted"
    assert refused("decision", "export", str(to.pk))["code"] == "no_such_decision"
    assert refused("decision", "export", "nonsense")["code"] == "bad_id"


def test_the_audit_verifies_and_names_what_was_forged(committed_db: str) -> None:
    cast = builders.cast()
    story.promoted(
        cast, builders.checkpoint("one", checkpoint_digest="1" * 64), story.stage(story.MANUAL)
    )
    whole = printed("audit", "verify")
    assert (whole["problem"], whole["n_entries"] > 3) == (None, True)
    with psycopg.connect(conftest.database_url("superuser", committed_db), autocommit=True) as su:
        su.execute("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
        su.execute("UPDATE audit_entry SET reason = 'forged' WHERE seq = 2")
    broken = refused("audit", "verify")
    assert broken["seq"] == 2 and "entry 2" in broken["problem"]
