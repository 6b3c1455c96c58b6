"""Conversations asked again: read when they are asked, tools answered from the record.

What a partner said is read for the call alone, and the reply is stored sealed under the partner's
own key, with the graders' words about it, which may quote it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from alpha.services.opened_transcripts import open_transcript
from evals import outputs
from evals.conversations import Conversation, RecordedCall, conversation_of, conversation_of_line
from evals.models import Case
from evals.states import ResultState
from infra.errors import DomainError, UpstreamError
from infra.inference import ChatClient, Completion, CompletionFailed

KEY = "slipway_replay"
"""Name in a body of what the client needs and no upstream sees."""
DIVERGED = "diverged"
GONE = "conversation_gone"
MOST_ROUNDS = 16
WITHHELD = "Said about a partner's conversation: sealed with the reply."

Seal = Callable[[UUID, Any], bytes]


class NotReplayed(CompletionFailed):
    """The conversation could not be carried on; the code says why."""

    def __init__(self, code: str, message: str, n_calls: int = 0) -> None:
        UpstreamError.__init__(self, code, message, retryable=False)
        self.n_calls = n_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A case of a replay set, read."""

    conversation: Conversation = field(repr=False)
    gone: str = ""
    """Why it can't be asked; then the conversation is empty."""
    seal: Seal | None = field(default=None, repr=False)
    """Seals what is made of a partner's conversation; None for public ones."""


def read_case(case: Case) -> Replayed:
    """The conversation that the case names, or why it is gone."""
    request_id = case.metadata.get("request_id")
    if request_id is None:
        found = conversation_of_line(case.metadata["line"])
        return _gone("It is no conversation.") if found is None else Replayed(conversation=found)
    try:
        opened = open_transcript(UUID(request_id))
    except DomainError as refusal:
        return _gone(refusal.message)
    found = conversation_of(opened.text.get("request") or {}, opened.text.get("reply"))
    if found is None:
        return _gone("The call holds no question.")
    return Replayed(conversation=found, seal=opened.seal)


def _gone(why: str) -> Replayed:
    return Replayed(conversation=Conversation(prefix=()), gone=why)


class RecordedReplies:
    """A chat client that calls nothing: it gives what the record says the checkpoint replied."""

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The recorded reply, of no call; NotReplayed where there is none."""
        replayed: Replayed = body[KEY]
        reply = replayed.conversation.reply
        if replayed.gone or reply is None:
            raise NotReplayed(GONE, replayed.gone or "The record holds no reply.")
        content = reply.get("content")
        return Completion(
            text=content if isinstance(content, str) else "",
            tool_calls=reply.get("tool_calls") or (),
            finish_reason=None,
            tokens_in=None,
            tokens_out=None,
            tokens_cached=None,
            latency_ms=0.0,
            n_calls=0,
        )

    async def close(self) -> None:
        """Nothing is open."""


class ReplayClient:
    """Asks for last replies again; the tools of an agent's conversation answer from its record."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The final reply, with what all its calls used; NotReplayed for one that diverged."""
        replayed: Replayed = body[KEY]
        if replayed.gone:
            raise NotReplayed(GONE, replayed.gone)
        asked = {name: value for name, value in body.items() if name != KEY}
        messages, done = list(asked["messages"]), list[Completion]()
        for _ in range(MOST_ROUNDS):
            done.append(await self._client.complete({**asked, "messages": messages}))
            calls = done[-1].tool_calls
            if not calls or not replayed.conversation.recorded:
                return _all_of(done)
            messages += [
                {"role": "assistant", "content": done[-1].text or None, "tool_calls": list(calls)},
                *_results(replayed.conversation, calls, _n_calls(done)),
            ]
        message = f"It called recorded tools {MOST_ROUNDS} times and gave no reply."
        raise NotReplayed(DIVERGED, message, _n_calls(done))

    async def close(self) -> None:
        await self._client.close()


def _results(
    conversation: Conversation, calls: Sequence[Mapping[str, Any]], n_calls: int
) -> list[dict[str, Any]]:
    found = []
    for call in calls:
        called = call.get("function") or {}
        name = str(called.get("name"))
        recorded = conversation.result_of(name, called.get("arguments") or "")
        if recorded is None:
            raise NotReplayed(DIVERGED, _unknown(conversation, name), n_calls)
        found.append({"role": "tool", "tool_call_id": call.get("id"), "content": _told(recorded)})
    return found


def _unknown(conversation: Conversation, name: str) -> str:
    """Names recorded tools alone: what else was asked may be a partner's text."""
    if any(call.name == name for call in conversation.recorded):
        return "It called a recorded tool with other arguments: their result is unknown."
    return "It called a tool that the recorded conversation did not."


def _told(recorded: RecordedCall) -> str:
    return recorded.result if isinstance(recorded.result, str) else json.dumps(recorded.result)


def _n_calls(done: Sequence[Completion]) -> int:
    return sum(one.n_calls for one in done)


def _all_of(done: Sequence[Completion]) -> Completion:
    """The last answer, with tokens and time of all of them."""

    def total(name: str) -> int | None:
        counted = [getattr(one, name) for one in done]
        return None if None in counted else sum(counted)

    return replace(
        done[-1],
        tokens_in=total("tokens_in"),
        tokens_out=total("tokens_out"),
        tokens_cached=sum(one.tokens_cached or 0 for one in done),
        latency_ms=sum(one.latency_ms for one in done),
        n_calls=_n_calls(done),
    )


def sealed_values(seal: Seal, name: UUID, values: Mapping[str, Any]) -> dict[str, Any]:
    """A result's columns with every text sealed; scores, states and counts stay as they are."""
    answer = outputs.unpack(values.get("output") or b"")
    shares = values.get("components") or {}
    error = values.get("error_message", "")
    made: dict[str, Any] = {
        "explanations": {label: share["explanation"] for label, share in shares.items()},
        "error_message": error,
    }
    if answer is not None:
        made["text"] = outputs.storable(answer.text)
        made["tool_calls"] = outputs.storable_json(list(answer.tool_calls))
        made["finish_reason"] = answer.finish_reason
    is_errored = values.get("state") == ResultState.ERRORED.value
    is_ours = values.get("error_code") in (DIVERGED, GONE)
    return {
        **values,
        "output": seal(name, made),
        "explanation": WITHHELD if values.get("explanation") else "",
        "components": {
            label: {"score": share["score"], "explanation": ""} for label, share in shares.items()
        },
        "error_message": WITHHELD if is_errored and not is_ours else error,
    }
