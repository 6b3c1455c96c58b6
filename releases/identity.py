"""Whether an upstream answers as its fingerprint says: the decision over what it replied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releases.states import Identity

_SHOWN_CHARACTERS = 80
# In nats: closer than this, rounding may decide between two tokens. The same weights differ by up
# to 0.2 between a first and a cached reading of one prompt (llama.cpp, 8-bit weights).
NEARLY_AS_LIKELY = 0.5


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

    Only an upstream that answers alike each time can be told to have changed, and only by more
    than rounding explains: batches and caches change the last digits of every sum.
    """
    departures = [differences(recorded, answer) for answer in answers]
    if not departures[0]:
        return Judged(identity=Identity.CONFIRMED)
    if any(found != departures[0] for found in departures):
        sentence = f"It does not answer alike each time: {'; '.join(departures[0])} at first."
        return Judged(identity=Identity.UNVERIFIABLE, sentence=sentence)
    if all(differs_by_rounding(recorded, answer) for answer in answers):
        sentence = (
            f"It answers otherwise where two tokens are nearly as likely: "
            f"{'; '.join(departures[0])}. Rounding explains it; so would weights that are close."
        )
        return Judged(identity=Identity.UNVERIFIABLE, sentence=sentence)
    sentence = (
        f"It answers otherwise than when it was added, {len(answers)} times alike: "
        f"{'; '.join(departures[0])}. It may serve other weights."
    )
    return Judged(identity=Identity.CHANGED, sentence=sentence)


def differs_by_rounding(recorded: Mapping[str, Any], answered: Mapping[str, Any]) -> bool:
    """Whether each text departs first where both tokens were nearly as likely, both times.

    False where the model's name departs, and where either side told no likelihoods.
    """
    if answered.get("model") != recorded.get("model"):
        return False
    texts = zip(_texts(answered), _texts(recorded), strict=True)
    departed = [at for at, (said, before) in enumerate(texts) if said != before]
    told = answered.get("tokens") or [], recorded.get("tokens") or []
    if not departed or any(len(tokens) <= departed[-1] for tokens in told):
        return False
    return all(_is_near_tie(told[0][at], told[1][at]) for at in departed)


def _is_near_tie(said: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> bool:
    """Of two replies' tokens, each with the log probabilities of the likeliest beside it."""
    for now, then in zip(said, before, strict=False):
        if now["token"] != then["token"]:
            return all(
                abs(top.get(now["token"], -1e9) - top.get(then["token"], 1e9)) <= NEARLY_AS_LIKELY
                for top in (now["top"], then["top"])
            )
    return False


def firm_part(fingerprint: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What of a fingerprint the same weights answer again: not the likelihoods' last digits."""
    if fingerprint is None:
        return None
    return {name: value for name, value in fingerprint.items() if name != "tokens"}


def _texts(fingerprint: Mapping[str, Any]) -> list[str]:
    return list(fingerprint.get("texts") or [fingerprint.get("text", "")])


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
