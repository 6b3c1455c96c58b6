"""Runs the counters' scripts in Valkey, all on one connection of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from alpha.gateway.valkey import Answer, Line, packed

FOLDER = Path(__file__).parent
NAMES = ("start", "settle", "seed", "reclaim")
SHARED = "shared"
OUT_OF_REACH = (RedisError, OSError, TimeoutError)


class Scripts:
    """The worker's one way to run them; OUT_OF_REACH when Valkey does not answer."""

    def __init__(self, redis: Redis, patience_s: float = 1.0) -> None:
        self._redis, self._patience_s = redis, patience_s
        self._hashes: dict[str, bytes] = {}
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None

    async def run(self, script: str, scope: str, arguments: Sequence[str | int]) -> Any:
        """What the script returns for that scope."""
        asked = self.send(script, scope, arguments)
        if asked is None:
            line = await self._open()
            asked = line.ask(self._command(script, scope, arguments))
        try:
            return await asked
        except NoScriptError:
            # Its scripts were flushed under an open connection.
            await self._load()
            line = await self._open()
            return await line.ask(self._command(script, scope, arguments))

    def send(self, script: str, scope: str, arguments: Sequence[str | int]) -> Answer | None:
        """The script's answer to be, asked before this returns; None without a connection."""
        line = self._line
        if line is None or not line.is_open:
            return None
        return line.ask(self._command(script, scope, arguments))

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            await self._line.close()

    def _command(self, script: str, scope: str, arguments: Sequence[str | int]) -> bytes:
        words = (b"EVALSHA", self._hashes[script], b"1", scope, *arguments)
        return b"*%d\r\n%s" % (len(words), packed(words))

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
        self._hashes = {name: sha.encode() for name, sha in loaded.items()}


def _text(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text("utf-8")
