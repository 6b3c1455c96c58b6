"""A recorded decision follows from its own evidence; a changed digit names its place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.digests import sha256_of
from releases.promotions import decide
from releases.replay.judge import replay
from releases.replay.records import HASH, NoRecord, facts_of, seals_of
from releases.states import Vote
from tests.releases.replay import records

DECISIONS = {
    "approved": records.approved(),
    "waived": records.waived(),
    "rejected": (
        records.facts(votes=(records.vote("", Vote.REJECT),)),
        decide(records.facts(votes=(records.vote("", Vote.REJECT),)), records.NOW),
    ),
}
Path = tuple[str | int, ...]


@pytest.mark.parametrize("name", DECISIONS)
def test_a_record_follows_from_its_evidence(name: str) -> None:
    told, decision = DECISIONS[name]
    document = json.loads(json.dumps(records.document(told, decision)))
    found = replay(document)
    assert found.differences == ()
    assert found.document_hash == document[HASH]
    assert facts_of(document) == told
    assert found.decision == decision


def digits(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in the record that holds a digit."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from digits(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from digits(item, (*path, index))
    elif not isinstance(value, bool) and re.search(r"\d", str(value)):
        yield path


def with_a_changed_digit(document: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    *above, last = path
    at: Any = changed
    for step in above:
        at = at[step]
    text = re.sub(r"\d", lambda d: str((int(d[0]) + 1) % 10), str(at[last])[::-1], count=1)[::-1]
    at[last] = text if isinstance(at[last], str) else type(at[last])(text)
    return changed


APPROVED = json.loads(json.dumps(records.document(*DECISIONS["approved"])))


@pytest.mark.parametrize("path", list(digits(APPROVED)), ids=lambda p: ".".join(map(str, p)))
def test_no_digit_of_a_record_can_change_unnoticed(path: Path) -> None:
    changed = with_a_changed_digit(APPROVED, path)
    assert changed != APPROVED
    try:
        differences = replay(changed).differences
    except NoRecord:
        return
    assert differences
    if path[0] == "gates":
        gate = APPROVED["gates"][path[1]]["id"]
        assert any(gate in d.sentence for d in differences), differences
    elif path[0] == "reasons":
        assert any(f"reason {path[1] + 1}" in d.sentence for d in differences), differences
    elif path[0] not in ("hash", "seals"):
        assert any(d.where == path[0] for d in differences), differences


RESEALED = [
    (("gates", 1, "evidence", "nodes", "sql.table", "lo"), 0.4663, "eval_floor-1", "“pass”"),
    (("gates", 1, "evidence", "nodes", "sql.table", "n"), 4, "eval_floor-1", "too few"),
    (("gates", 1, "options", "at_least"), 0.7, "eval_floor-1", "70%"),
    (("gates", 1, "evidence", "suite_state"), "expired", "eval_floor-1", "has expired"),
    (("gates", 1, "evidence", "suite_state"), "saturated", "eval_floor-1", "saturated"),
    (("gates", 2, "evidence", "stages", "internal", "longest_s"), 90_000, None, None),
    (("gates", 2, "options", "soak"), "60h", "soak-1", "60h"),
    (("gates", 3, "evidence", "answers", 0, "yes"), False, "sign_off-1", "said no"),
    (("gates", 0, "evidence", "n_files"), 3, "artifact-1", "3 files"),
    (("approvals", 0, "evidence_hash"), "0" * 64, "approvals", "Waits for 1 more"),
    (("approvals", 0, "groups"), [], "approvals", "Waits for 1 more"),
    (("approval_rule", "required"), 2, "approvals", "Waits for 1 more"),
    (("excluded",), {"p-1": "owns the checkpoint"}, "approvals", "Waits for 1 more"),
    (("promotion", "checkpoint_digest"), "c" * 64, "evidence_hash", "judged again"),
    (("promotion", "expires_at"), "2026-03-02T08:59:59+00:00", "state", "expired"),
    (("verdict", "approvals_needed"), 1, "verdict approvals_needed", "judged again 0"),
    (("reasons", 1, "sentence"), "It is fine.", "eval_floor-1", "It is fine."),
    (("reasons", 1, "outcome"), "fail", "eval_floor-1", "fail"),
    (("gates", 1, "outcome"), "fail", "eval_floor-1", "its evidence gives pass"),
]


@pytest.mark.parametrize("path, value, where, says", RESEALED, ids=lambda v: str(v)[:60])
def test_a_forger_who_seals_again_still_has_to_answer_to_the_rules(
    path: Path, value: Any, where: str | None, says: str | None
) -> None:
    forged = copy.deepcopy(APPROVED)
    at: Any = forged
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    del forged[HASH]
    forged["seals"] = seals_of(forged)
    forged[HASH] = sha256_of(forged)
    sentences = [d.sentence for d in replay(forged).differences]
    if where is None or says is None:
        assert sentences == []
        return
    assert any(where in sentence and says in sentence for sentence in sentences), sentences


def test_a_stale_outcome_stays_stale_whatever_its_evidence_says() -> None:
    told, decision = DECISIONS["rejected"]
    document = records.document(told, decision)
    stale = {"outcome": "stale", "code": "stale", "sentence": "Stale, because x; before: y"}
    for row in document["reasons"]:
        if row["gate_id"] == "eval_floor-1":
            row.update(stale)
    document["gates"][1].update(outcome="stale", code="stale")
    found = replay(document)
    assert [g.outcome.value for g in found.decision.gates][1] == "stale"
    assert not any(d.where == "reason eval_floor-1" for d in found.differences)


def test_a_kind_that_is_not_installed_here_is_no_silent_pass() -> None:
    document = copy.deepcopy(APPROVED)
    document["gates"][0]["kind"] = "from_a_plug_in"
    assert any("artifact-1" in d.sentence for d in replay(document).differences)


def test_the_first_format_is_still_read() -> None:
    told, decision = DECISIONS["approved"]
    second = records.document(told, decision)
    for part in ("seals", "verdict", "blocks", "hotfix", HASH):
        del second[part]
    first = {**second, "format": "slipway.decision/1"}
    kept = ("gate_id", "kind", "outcome", "code", "sentence", "shadow", "clears_at")
    first["reasons"] = [{name: row[name] for name in kept} for row in first["reasons"]]
    for row in first["gates"]:
        for name in ("problem", "missing", "code"):
            del row[name]
    first[HASH] = sha256_of(first)
    assert replay(first).differences == ()
    first["gates"][1]["evidence"]["nodes"]["sql.table"]["lo"] = 0.1
    assert any("eval_floor-1" in d.sentence for d in replay(first).differences)


@pytest.mark.parametrize(
    "value", [None, [], 3, {}, {"format": "slipway.decision/9"}, {"format": "slipway.decision/2"}]
)
def test_what_is_no_decision_is_refused(value: Any) -> None:
    with pytest.raises(NoRecord):
        replay(value)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_broken_record_is_refused_or_differs_and_never_crashes(data: st.DataObject) -> None:
    changed = copy.deepcopy(APPROVED)
    at: Any = changed
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    junk = st.sampled_from([None, "x", 7, -1.5, True, [], {}, [1], {"a": 1}])
    at[key] = data.draw(junk)
    if changed == APPROVED:
        return
    try:
        assert replay(changed).differences
    except NoRecord:
        pass
