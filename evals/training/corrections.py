"""A partner's correction of an answer, and the row that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from evals.redaction import Redactor
from evals.training import dpo, rft, sft
from evals.training.contract import TrainingKind
from evals.training.files import check_row
from evals.training.splitting import conversation_key


class Lack(StrEnum):
    """Why a correction becomes no row."""

    NO_CALL = "no_call"
    """It names no call, so nobody knows what it corrects."""
    NO_TEXT = "text_not_kept"
    """No text of the call is kept: its grant did not consent, or it was erased by now."""
    DAMAGED = "text_damaged"
    """The kept text was changed and can't be read."""
    NO_MESSAGES = "no_messages"
    """The call asked nothing that is a list of messages."""
    IS_CASE = "is_a_case"
    """An eval suite holds it: who trains on a case can't be judged by it."""
    CANARY = "holds_a_canary"
    """A suite's canary stands in it."""
    REPLY_NOT_TEXT = "reply_not_text"
    """A preference compares texts, and the answer was none."""
    SAME = "same_as_reply"
    """The correction is what was answered."""
    BREAKS_RULE = "breaks_a_rule"
    """The format can't hold it; `training validate` names the same rules."""
    DUPLICATE = "duplicate"
    """The same row is in the export already."""
    UNDECIDED = "nobody_preferred"
    """A side by side where both were as good, or both were bad."""
    OVER_MOST = "over_the_most_rows"
    """The format takes no more rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What was asked, what was answered, and what should have been; of a remark or of a vote."""

    feedback_id: UUID | None = None
    preference_id: UUID | None = None
    """The blind side by side; one of the two ids is given."""
    partner_id: UUID
    """Whose conversation it is: a partner's, or a reviewer's own."""
    asked: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    reply: str | None
    """The first choice where it is text."""
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A correction that becomes no row."""

    feedback_id: UUID | None = None
    preference_id: UUID | None = None
    why: Lack


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a training file, with what decides on which side it is."""

    feedback_id: UUID | None = None
    preference_id: UUID | None = None
    conversation: bytes
    line: bytes
    """JSON in UTF-8 with its newline."""


def row_of(
    kind: TrainingKind,
    correction: Correction,
    *,
    reads: tuple[str, ...] = (),
    canaries: Sequence[bytes] = (),
) -> Row | LeftOut:
    """The correction as a row without personal data, which breaks no rule of its format.

    `reads` are the paths of `item` that the grader names.
    """
    if kind is TrainingKind.DPO and correction.reply is None:
        return _left_out(correction, Lack.REPLY_NOT_TEXT)
    if kind is TrainingKind.DPO and correction.reply == correction.wanted:
        return _left_out(correction, Lack.SAME)
    made = _made(kind, correction)
    if next(check_row(kind, made, reads), None) is not None:
        return _left_out(correction, Lack.BREAKS_RULE)
    line = orjson.dumps(made, option=orjson.OPT_APPEND_NEWLINE)
    if any(canary in line for canary in canaries):
        return _left_out(correction, Lack.CANARY)
    return Row(
        feedback_id=correction.feedback_id,
        preference_id=correction.preference_id,
        conversation=conversation_key(correction.partner_id, correction.asked),
        line=line,
    )


def _left_out(correction: Correction, why: Lack) -> LeftOut:
    ids = (correction.feedback_id, correction.preference_id)
    return LeftOut(feedback_id=ids[0], preference_id=ids[1], why=why)


def _made(kind: TrainingKind, correction: Correction) -> dict[str, Any]:
    redacted = Redactor().redacted  # One for all: a text has the same name in each part.
    asked, tools = redacted(correction.asked), redacted(correction.tools)
    wanted = redacted(correction.wanted)
    if kind is TrainingKind.SFT:
        return sft.row(asked, wanted, tools)
    if kind is TrainingKind.RFT:
        return rft.row(asked, wanted, tools)
    return dpo.row(asked, wanted, redacted(correction.reply), tools)
