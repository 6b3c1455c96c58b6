"""Runs the counters' scripts in Valkey, all on one connection of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from alpha.gateway.valkey import Answer, Line, packed

FOLDER = Path(__file__).parent
NAMES = ("start", "settle", "seed", "seeded", "reclaim", "look")
SHARED = "shared"
OUT_OF_REACH = (RedisError, OSError, TimeoutError)


class Words(NamedTuple):
    """Words of a command that were packed beforehand, since many calls send the same."""

    n: int
    packed: bytes


def words(*of: str | int) -> Words:
    """Those words, packed."""
    return Words(len(of), packed(of))


def keys_of(*names: str) -> Words:
    """The keys of a script, after their number."""
    return words(len(names), *names)


NO_KEYS, NOTHING = keys_of(), words()


class Scripts:
    """The worker's one way to run them; OUT_OF_REACH when Valkey does not answer."""

    def __init__(self, redis: Redis, patience_s: float = 1.0) -> None:
        self._redis, self._patience_s = redis, patience_s
        self._heads: dict[str, bytes] = {}
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None

    async def run(
        self,
        script: str,
        keys: Words,
        arguments: Sequence[str | int] = (),
        more: Words = NOTHING,
    ) -> Any:
        """What the script returns for those keys, the arguments, and more of them."""
        asked = self.send(script, keys, arguments, more)
        if asked is None:
            line = await self._open()
            asked = line.ask(self._command(script, keys, arguments, more))
        try:
            return await asked
        except NoScriptError:
            # Its scripts were flushed under an open connection.
            await self._load()
            line = await self._open()
            return await line.ask(self._command(script, keys, arguments, more))

    def send(
        self,
        script: str,
        keys: Words,
        arguments: Sequence[str | int] = (),
        more: Words = NOTHING,
    ) -> Answer | None:
        """The script's answer to be, asked before this returns; None without a connection."""
        line = self._line
        if line is None or not line.is_open:
            return None
        return line.ask(self._command(script, keys, arguments, more))

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            await self._line.close()

    def _command(
        self, script: str, keys: Words, arguments: Sequence[str | int], more: Words
    ) -> bytes:
        n_words = 2 + keys.n + len(arguments) + more.n
        parts = (n_words, self._heads[script], keys.packed, packed(arguments), more.packed)
        return b"*%d\r\n%s%s%s%s" % parts

    async def _open(self) -> Line:
        """The new connection, opened once for all who wait for it; ConnectionError."""
        if self._line is not None and self._line.is_open:
            return self._line
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._connect())
        try:
            return await asyncio.shield(self._opening)
        except OUT_OF_REACH as error:
            raise ConnectionError(str(error)) from error

    async def _connect(self) -> Line:
        if self._line is not None:
            await self._line.close()
        # Valkey may have been started anew: then it knows no scripts.
        await self._load()
        self._line = await Line.open(self._redis, self._patience_s)
        return self._line

    async def _load(self) -> None:
        """Learn the hashes of all scripts, or of none: half of them would look like all."""
        shared = _text(SHARED)
        texts = {name: shared + _text(name) for name in NAMES}
        loaded = {name: str(await self._redis.script_load(texts[name])) for name in NAMES}
        self._heads = {name: packed((b"EVALSHA", sha)) for name, sha in loaded.items()}


def _text(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text("utf-8")
