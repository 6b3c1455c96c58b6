"""Two checkpoints asked at once for a reviewer, and what was said, sealed."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.conf import settings

from alpha import sealing, sides
from alpha.models import PreferenceSession, PreferenceText
from infra import secrets_by_reference
from infra.errors import DomainError, UpstreamError
from infra.inference import Completion, RetryPolicy, chat_client
from releases.models import Checkpoint, Deployment
from releases.selectors.checkpoints import active_deployments
from releases.serving import ServingDefaults, compose_request

PATIENCE_S = 90.0
# A person waits for it.
RETRY = RetryPolicy(most_calls=3, within_s=20.0, again_after_timeout=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What both are asked."""

    messages: Sequence[dict[str, str]] = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        return {"messages": list(self.messages)}


def prompt_secret() -> bytes:
    """The gateway's own: equal prompts of partners and reviewers have one digest."""
    return hashlib.sha256(f"unit {settings.KEY_PEPPER}".encode()).digest()


def both(asked: Asked, *checkpoints: Checkpoint) -> list[dict[str, Any]]:
    """What each of the two answers, as it is shown; UpstreamError that does not say which failed.

    Composed as the gateway composes it: what is judged is what is served.
    """
    places = [_place(checkpoint) for checkpoint in checkpoints]
    names = [checkpoint.name for checkpoint in checkpoints]
    names += [place.upstream_model for place in places]
    try:
        said = asyncio.run(_asked(asked, list(zip(checkpoints, places, strict=True))))
    except (DomainError, TimeoutError) as error:
        raise _failed() from error
    return [
        sides.shown_answer({"content": one.text, "tool_calls": one.tool_calls}, names)
        for one in said
    ]


def _place(checkpoint: Checkpoint) -> Deployment:
    places = list(active_deployments(checkpoint.pk))
    if not places:
        raise UpstreamError(
            "no_deployment",
            f"{checkpoint.name} has no deployment to answer: add one first.",
            retryable=False,
        )
    weights = [place.weight for place in places]
    if not any(weights):
        return places[0]
    return random.choices(places, weights)[0]  # noqa: S311  load, not a secret


async def _asked(asked: Asked, wanted: Sequence[tuple[Checkpoint, Deployment]]) -> list[Completion]:
    """Both at once; the first failure ends the other."""
    async with asyncio.timeout(PATIENCE_S):
        tasks = [
            asyncio.create_task(_answer(asked, checkpoint, place)) for checkpoint, place in wanted
        ]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(asked: Asked, checkpoint: Checkpoint, place: Deployment) -> Completion:
    serving = ServingDefaults.from_row(checkpoint.serving)
    client = chat_client(
        base_url=place.base_url,
        secret=secrets_by_reference.resolve(place.secret_ref),
        timeout_s=PATIENCE_S,
        retry=RETRY,
    )
    try:
        return await client.complete(compose_request(serving, place.upstream_model, asked.body))
    finally:
        await client.close()


def _failed() -> UpstreamError:
    return UpstreamError(
        "answer_failed",
        "One of the two answers did not come, so nothing is compared. Ask again; if it fails "
        "again, look at both checkpoints' deployments.",
        retryable=True,
    )


def keep_text(
    session: PreferenceSession, asked: Asked, shown: Sequence[dict[str, Any]], *, is_kept: bool
) -> None:
    """Seal what was asked and shown, under a key of the session's own."""
    key, wrapped = sealing.new_data_key(settings.TRANSCRIPT_KEY, session.pk)
    text = {"messages": list(asked.messages), "a": shown[0], "b": shown[1]}
    PreferenceText.objects.create(
        session=session,
        wrapped_key=wrapped,
        sealed=sealing.seal(key, session.pk, orjson.dumps(text)),
        is_kept=is_kept,
    )


def text_of(session: PreferenceSession) -> dict[str, Any] | None:
    """`{"messages": [...], "a": {...}, "b": {...}}`; None where no text is kept.

    DomainError when the stored bytes are not what was sealed.
    """
    row = PreferenceText.objects.filter(session=session).first()
    if row is None:
        return None
    try:
        key = sealing.unwrap(settings.TRANSCRIPT_KEY, session.pk, bytes(row.wrapped_key))
        return orjson.loads(sealing.unseal(key, session.pk, bytes(row.sealed)))
    except sealing.Unreadable as error:
        message = f"The kept text of side by side {session.pk} was changed and can't be read."
        raise DomainError("text_damaged", message) from error
