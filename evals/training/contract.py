"""What a broken rule of a training file is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class TrainingKind(StrEnum):
    """What rows train by."""

    SFT = "sft"
    """Supervised: the answer to give."""
    DPO = "dpo"
    """Preference: an answer, and one that it is better than."""
    RFT = "rft"
    """Reinforcement: a question, and what a grader knows about it."""


class Split(StrEnum):
    """Which file a row is in."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A rule that one row breaks, and where in the row."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that a file breaks. `str()` is `file:line: rule: message`."""

    file: str
    line: int | None
    """From 1; None where the file as a whole breaks it."""
    rule: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.rule}: {self.message}"


Problems = Iterator[Problem]

LEAST_ROWS = 10
"""Of a supervised training file."""
MOST_RFT_ROWS: Mapping[Split, int] = {Split.TRAIN: 50_000, Split.VALIDATION: 1_000}

FILE_RULES: Mapping[str, str] = {
    "utf8": "A file is UTF-8 without a byte order mark.",
    "line_object": "Each line is one JSON object, without NaN or infinity.",
    "blank_line": "No line is blank.",
    "rows_least": f"A supervised training file has at least {LEAST_ROWS} rows.",
    "rows_most": "A reinforcement file has at most 50,000 rows to train and 1,000 to validate.",
    "validation_missing": "Reinforcement needs a training file and a validation file.",
    "grader_missing": "Reinforcement needs a grader.",
}
MESSAGE_RULES: Mapping[str, str] = {
    "messages": "`messages` is a list of at least one object.",
    "role": "A message's role is system, developer, user, assistant or tool.",
    "content": "A message's content is text, or a list of typed parts; an assistant that calls "
    "tools may have none.",
    "message_field": "A message has fields of the chat format alone.",
    "tool_calls": "Tool calls are the assistant's: an id, type `function`, a name, and arguments "
    "as text.",
    "tool_call_id": "A tool's message answers a call that was made before it.",
    "tools": "`tools` is a list of functions, each with a name.",
    "parallel_tool_calls": "`parallel_tool_calls` is true or false.",
    "row_field": "A row has the fields of its format alone.",
}
SFT_RULES: Mapping[str, str] = {
    "last_assistant": "The last message is the assistant's.",
    "weight": "`weight` is 0 or 1, on messages of the assistant alone.",
}
DPO_RULES: Mapping[str, str] = {
    "input": "`input` is an object with `messages`.",
    "input_last": "One turn is compared: the input does not end with the assistant's message.",
    "two_outputs": "A row has exactly two outputs: `preferred_output` and `non_preferred_output`.",
    "output_list": "An output is a list of at least one message.",
    "output_role": "Messages of an output are the assistant's or a tool's.",
    "output_turn": "An output is one turn: it ends with the assistant's one message.",
    "output_text": "An output is text alone.",
}
RFT_RULES: Mapping[str, str] = {
    "last_user": "The last message is the user's.",
    "system_role": "A system message is sent with the role developer.",
    "item_missing": "What the grader reads of `item` is a field of every row.",
}
GRADER_RULES: Mapping[str, str] = {
    "grader_json": "The grader is one JSON object.",
    "grader_type": "The grader is string_check, text_similarity, python, score_model or multi; "
    "not label_model.",
    "grader_field": "The grader has the fields of its type, each of its kind.",
    "grader_template": "Templates name `{{item.…}}` and `{{sample.…}}` alone.",
    "grader_metric": "The similarity by cosine is for evals alone.",
    "grader_source": "Python source is smaller than 256 kB and defines `grade(sample, item)`.",
    "grader_range": "A score's range rises, and the threshold lies in it.",
    "grader_nested": "A multi grader holds no multi and no label_model.",
    "grader_formula": "The formula has + - * / ^, min max abs floor ceil exp sqrt log, and names "
    "of the graders.",
}
RULES: Mapping[str, str] = {
    **FILE_RULES,
    **MESSAGE_RULES,
    **SFT_RULES,
    **DPO_RULES,
    **RFT_RULES,
    **GRADER_RULES,
}
"""Every rule by its name."""


def problem(rule: str, message: str) -> Problem:
    """A broken rule; KeyError for one that is not listed."""
    return Problem(rule=RULES[rule] and rule, message=message)


def shown(value: Any) -> str:
    """A value in a message about it, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
