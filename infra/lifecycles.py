"""How a lifecycle is checked: one table of allowed moves per enum."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from infra.errors import InvalidMove, Reason

State = TypeVar("State", bound=StrEnum)


def check_move(
    transitions: Mapping[State, frozenset[State]], old: State, new: State, what: str
) -> None:
    """InvalidMove, saying what is possible, unless the table holds `old -> new`."""
    allowed = transitions[old]
    if new in allowed:
        return
    options = ", ".join(sorted(state.value for state in allowed)) or "nothing: it is final"
    sentence = f"{what} is {old.value} and can't become {new.value}; possible from here: {options}."
    reason = Reason(code="invalid_move", sentence=sentence, observed=old.value, required=new.value)
    raise InvalidMove("invalid_move", sentence, [reason])
