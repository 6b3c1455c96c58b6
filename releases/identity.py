"""Whether an upstream answers as its fingerprint says: the decision over what it replied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releases.states import Identity

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of asking an upstream again, with a sentence for a person."""

    identity: Identity
    sentence: str = ""


def requests_of(recorded: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was asked when the fingerprint was recorded; older ones hold one request alone."""
    return list(recorded.get("requests") or [recorded["request"]])


def differences(recorded: Mapping[str, Any], answered: Mapping[str, Any]) -> list[str]:
    """Where the answer departs from the record: the model's name and the texts.

    Token counts and the software's own fingerprint follow from the software, not the weights.
    """
    found = []
    if answered.get("model") != recorded.get("model"):
        found.append(f"model {answered.get('model')!r}, not {recorded.get('model')!r}")
    for said, before in zip(_texts(answered), _texts(recorded), strict=True):
        if said != before:
            found.append(f"text {_shown(said)}, not {_shown(before)}")
    return found


def judge(recorded: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> Judged:
    """What the answers say, one an asking, at least one.

    Only an upstream that answers alike each time can be told to have changed.
    """
    departures = [differences(recorded, answer) for answer in answers]
    if not departures[0]:
        return Judged(identity=Identity.CONFIRMED)
    if any(found != departures[0] for found in departures):
        sentence = f"It does not answer alike each time: {'; '.join(departures[0])} at first."
        return Judged(identity=Identity.UNVERIFIABLE, sentence=sentence)
    sentence = (
        f"It answers otherwise than when it was added, {len(answers)} times alike: "
        f"{'; '.join(departures[0])}. It may serve other weights."
    )
    return Judged(identity=Identity.CHANGED, sentence=sentence)


def _texts(fingerprint: Mapping[str, Any]) -> list[str]:
    return list(fingerprint.get("texts") or [fingerprint.get("text", "")])


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
