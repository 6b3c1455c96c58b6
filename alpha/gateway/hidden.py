"""How many tokens a checkpoint's hidden prompt adds to a request: measured, never guessed.

Two calls of one token each, with and without the hidden prompt, differ in `prompt_tokens` by
exactly what it adds. Chat templates may treat a conversation that opens with a system message
differently, so both kinds are measured. It happens away from requests, once for each deployment;
the first requests wait for it a moment. While it fails, the prompt counts as one token a byte,
the most that it can be: the partner is never shown or charged more than its own tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any
from uuid import UUID

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.proxy import Upstreams
from alpha.gateway.replies import counted
from alpha.routing import CheckpointEntry, DeploymentEntry, Table
from releases.serving import ServingDefaults, compose_request

log = logging.getLogger(__name__)
WAIT_S = 5.0
TRY_AGAIN_S = 30.0
ASKED = {"role": "user", "content": "Hi"}
OPENINGS: dict[bool, list[dict[str, str]]] = {
    False: [ASKED],
    True: [{"role": "system", "content": "Be brief."}, ASKED],
}
# Deployment, checkpoint, where the deployment points: moving one needs another measurement.
Place = tuple[UUID, UUID, str, str]


class HiddenPrompts:
    """What this worker has measured."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._measured: dict[Place, dict[bool, int]] = {}
        self._running: dict[Place, asyncio.Task[None]] = {}
        self._failed_at: dict[Place, float] = {}

    def measure_all(self, table: Table) -> None:
        """Begin measuring what the table serves and nobody has measured."""
        for releases in table.releases.values():
            for release in releases:
                for deployment in release.checkpoint.deployments:
                    self._begin(release.checkpoint, deployment)

    async def tokens(
        self, checkpoint: CheckpointEntry, deployment: DeploymentEntry, *, with_system: bool
    ) -> int:
        """What the hidden prompt adds to a request that opens with a system message, or not."""
        prompt = ServingDefaults.from_row(checkpoint.serving).system_prompt
        if not prompt:
            return 0
        place = _place(checkpoint, deployment)
        if place not in self._measured:
            self._begin(checkpoint, deployment)
            if task := self._running.get(place):
                await asyncio.wait([task], timeout=WAIT_S)
        measured = self._measured.get(place)
        return len(prompt.encode()) if measured is None else measured[with_system]

    async def close(self) -> None:
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, checkpoint: CheckpointEntry, deployment: DeploymentEntry) -> None:
        place = _place(checkpoint, deployment)
        if place in self._measured or place in self._running:
            return
        if not ServingDefaults.from_row(checkpoint.serving).system_prompt:
            return
        if time.monotonic() - self._failed_at.get(place, -TRY_AGAIN_S) < TRY_AGAIN_S:
            return
        task = asyncio.create_task(self._measure(place, checkpoint, deployment))
        self._running[place] = task
        task.add_done_callback(lambda _: self._running.pop(place, None))

    async def _measure(
        self, place: Place, checkpoint: CheckpointEntry, deployment: DeploymentEntry
    ) -> None:
        try:
            self._measured[place] = {
                kind: await self._difference(checkpoint, deployment, messages)
                for kind, messages in OPENINGS.items()
            }
            self._failed_at.pop(place, None)
        except UpstreamFailed as failed:
            self._failed_at[place] = time.monotonic()
            log.warning(
                "the hidden prompt of checkpoint %s at deployment %s is not measured: %s",
                checkpoint.id,
                deployment.id,
                failed.problem,
            )

    async def _difference(
        self,
        checkpoint: CheckpointEntry,
        deployment: DeploymentEntry,
        messages: list[dict[str, str]],
    ) -> int:
        full = ServingDefaults.from_row(checkpoint.serving)
        bare = ServingDefaults(system_prompt="", sampling=full.sampling)
        body = {"messages": messages, "max_tokens": 1}
        with_it, without = [
            _prompt_tokens(
                await self._upstreams.complete(
                    deployment,
                    "chat/completions",
                    compose_request(serving, deployment.upstream_model, body),
                )
            )
            for serving in (full, bare)
        ]
        return max(0, with_it - without)


def _place(checkpoint: CheckpointEntry, deployment: DeploymentEntry) -> Place:
    return deployment.id, checkpoint.id, deployment.base_url, deployment.upstream_model


def _prompt_tokens(reply: Any) -> int:
    counts = counted(reply.get("usage") if isinstance(reply, dict) else None)
    if counts is None:
        raise UpstreamFailed(Failure.MALFORMED, "the upstream sends no usage")
    return counts.tokens_in
