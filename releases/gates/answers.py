"""What a person answered to a gate that only a person can clear. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Verdict
from releases.states import Outcome

QUESTION: options.Schema = {"type": "string", "minLength": 1, "maxLength": 1000}
ROLE: options.Schema = {"type": "string", "minLength": 1, "maxLength": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One person's answer; the newest one counts."""

    person: str
    yes: bool
    comment: str
    answered_at: datetime


def judge_answers(evidence: Evidence, question: str, owner: str) -> Verdict:
    """Yes passes, no blocks, silence is inconclusive and names who is asked."""
    answers = [_answer(row) for row in reading.rows(evidence.observed or {}, "answers")]
    if not answers:
        return Verdict(
            outcome=Outcome.INCONCLUSIVE,
            code="unanswered",
            sentence=_ended(f"{question.rstrip('.')} — waits for {owner or 'an answer'}"),
            required={"answer": "yes"},
            owner=owner,
        )
    newest = max(answers, key=lambda answer: answer.answered_at)
    said = f"{newest.person} {'signed off' if newest.yes else 'said no'}"
    comment = f": “{newest.comment}”" if newest.comment else ""
    return Verdict(
        outcome=Outcome.PASS if newest.yes else Outcome.FAIL,
        code="answered_yes" if newest.yes else "vetoed",
        sentence=_ended(f"{question.rstrip('.')} — {said}{comment}"),
        observed={"answer": "yes" if newest.yes else "no", "person": newest.person},
        required={"answer": "yes"},
        owner=owner,
    )


def _ended(sentence: str) -> str:
    """The sentence with one full stop, where what it quotes does not end it already."""
    return sentence if sentence.rstrip("”").endswith((".", "!", "?", "…")) else f"{sentence}."


def _answer(row: Mapping[str, Any]) -> _Answer:
    comment = row.get("comment")
    if not isinstance(comment, str):
        raise reading.BadEvidence(f"comment is {comment!r}, not a text; it may be empty")
    return _Answer(
        person=reading.text(row, "person"),
        yes=reading.flag(row, "yes"),
        comment=comment.strip(),
        answered_at=reading.moment(row, "answered_at"),
    )


class SignOff:
    """A named role answers a question (the expert veto): yes with comment, or a blocking no."""

    kind = "sign_off"
    human = True
    schema = options.options_schema(
        {"role": ROLE, "question": QUESTION}, required=["role", "question"]
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        return judge_answers(evidence, str(gate.options["question"]), str(gate.options["role"]))


class Manual:
    """Anything a person has to attest; `role` narrows who."""

    kind = "manual"
    human = True
    schema = options.options_schema({"role": ROLE, "question": QUESTION}, required=["question"])

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        owner = str(gate.options.get("role", "release-managers"))
        return judge_answers(evidence, str(gate.options["question"]), owner)
