"""Runs the counters' scripts in Valkey: what is asked at the same time travels together.

One pipeline is under way at a time; what comes in meanwhile makes the next one. So a burst of
calls costs a few round trips on one connection, not a connection each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent
NAMES = ("start", "settle", "seed", "reclaim")
SHARED = "shared"
OUT_OF_REACH = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One script to run, and who waits for its answer."""

    script: str
    scope: str
    arguments: Sequence[Any]
    answer: asyncio.Future[Any]


class Scripts:
    """The worker's one way to run them; OUT_OF_REACH when Valkey does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._hashes: dict[str, str] = {}
        self._waiting: list[Asked] = []
        self._sending: asyncio.Task[None] | None = None

    async def run(self, script: str, scope: str, arguments: Sequence[Any]) -> Any:
        """What the script returns for that scope."""
        answer = asyncio.get_running_loop().create_future()
        asked = Asked(script=script, scope=scope, arguments=arguments, answer=answer)
        self._waiting.append(asked)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await answer

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                answers = await self._send(batch)
            except OUT_OF_REACH as error:
                answers = [ConnectionError(str(error)) for _ in batch]
            except Exception as error:
                # Whoever waits must hear of a defect too: a future left open hangs its call.
                log.exception("the counters' scripts failed")
                answers = [ConnectionError(f"{type(error).__name__}: {error}") for _ in batch]
            _give(batch, answers)

    async def _send(self, batch: Sequence[Asked]) -> list[Any]:
        if not self._hashes:
            await self._load()
        answers = await self._pipeline(batch)
        lost = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:
            # Valkey was started anew: it knows no scripts.
            await self._load()
            again = await self._pipeline([batch[at] for at in lost])
            for at, answer in zip(lost, again, strict=True):
                answers[at] = answer
        return answers

    async def _load(self) -> None:
        """Learn the hashes of all scripts, or of none: half of them would look like all."""
        shared = _text(SHARED)
        texts = {name: shared + _text(name) for name in NAMES}
        self._hashes = {name: await self._redis.script_load(texts[name]) for name in NAMES}

    async def _pipeline(self, batch: Sequence[Asked]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for asked in batch:
                pipeline.evalsha(self._hashes[asked.script], 1, asked.scope, *asked.arguments)
            return await pipeline.execute(raise_on_error=False)


def _text(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text("utf-8")


def _give(batch: Sequence[Asked], answers: Sequence[Any]) -> None:
    for asked, answer in zip(batch, answers, strict=True):
        if asked.answer.done():
            continue
        if isinstance(answer, Exception):
            asked.answer.set_exception(answer)
        else:
            asked.answer.set_result(answer)
