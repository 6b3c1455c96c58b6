"""How many tokens a checkpoint's hidden prompt adds to a request: measured, never guessed.

Two calls of few tokens, with and without the hidden prompt, differ in the upstream's count by
exactly what it adds. Chat templates may treat a conversation that opens with a system message
differently, so both kinds are measured, for each endpoint by itself. Chat is measured away from
requests, once for each deployment; another endpoint when it is first called. Requests wait for
it a moment. While it fails, the prompt counts as one token a byte,
the most that it can be: the partner is never shown or charged more than its own tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from alpha.gateway.errors import Failure, UpstreamFailed
from alpha.gateway.proxy import Upstreams
from alpha.gateway.replies import CHAT_COUNTS, RESPONSE_COUNTS, counted
from alpha.routing import CheckpointEntry, DeploymentEntry, Table
from releases.serving import (
    Composer,
    ServingDefaults,
    compose_completion,
    compose_request,
    compose_response,
)

log = logging.getLogger(__name__)
WAIT_S = 5.0
TRY_AGAIN_S = 30.0
CHAT = "chat/completions"
ASKED = {"role": "user", "content": "Hi"}
BRIEF = "Be brief."


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How an endpoint is measured: bodies without and with a system text of the client's."""

    compose: Composer
    bodies: Mapping[bool, Mapping[str, Any]]
    counts: Sequence[str] = CHAT_COUNTS


_FEW = {"input": "Hi", "max_output_tokens": 16, "store": False}
# Endpoints that are missing here take no hidden prompt along.
PROBES = {
    CHAT: Probe(
        compose=compose_request,
        bodies={
            False: {"messages": [ASKED], "max_tokens": 1},
            True: {"messages": [{"role": "system", "content": BRIEF}, ASKED], "max_tokens": 1},
        },
    ),
    "completions": Probe(
        compose=compose_completion, bodies={False: {"prompt": "Hi", "max_tokens": 1}}
    ),
    "responses": Probe(
        compose=compose_response,
        bodies={False: _FEW, True: {**_FEW, "instructions": BRIEF}},
        counts=RESPONSE_COUNTS,
    ),
}
# Deployment, checkpoint, where the deployment points, endpoint: each needs its own measurement.
Place = tuple[UUID, UUID, str, str, str]


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
                    self._begin(release.checkpoint, deployment, CHAT)

    async def tokens(
        self,
        checkpoint: CheckpointEntry,
        deployment: DeploymentEntry,
        path: str,
        *,
        with_system: bool,
    ) -> int:
        """What the hidden prompt adds to a request that opens with a system message, or not."""
        prompt = ServingDefaults.from_row(checkpoint.serving).system_prompt
        if not prompt or path not in PROBES:
            return 0
        place = _place(checkpoint, deployment, path)
        if place not in self._measured:
            self._begin(checkpoint, deployment, path)
            if task := self._running.get(place):
                await asyncio.wait([task], timeout=WAIT_S)
        measured = self._measured.get(place)
        return len(prompt.encode()) if measured is None else measured[with_system]

    async def close(self) -> None:
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, checkpoint: CheckpointEntry, deployment: DeploymentEntry, path: str) -> None:
        place = _place(checkpoint, deployment, path)
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
        path = place[-1]
        try:
            self._measured[place] = {
                kind: await self._difference(checkpoint, deployment, path, body)
                for kind, body in PROBES[path].bodies.items()
            }
            self._failed_at.pop(place, None)
        except UpstreamFailed as failed:
            self._failed_at[place] = time.monotonic()
            log.warning(
                "the hidden prompt of checkpoint %s at deployment %s is not measured for %s: %s",
                checkpoint.id,
                deployment.id,
                path,
                failed.problem,
            )

    async def _difference(
        self,
        checkpoint: CheckpointEntry,
        deployment: DeploymentEntry,
        path: str,
        body: Mapping[str, Any],
    ) -> int:
        probe, full = PROBES[path], ServingDefaults.from_row(checkpoint.serving)
        bare = ServingDefaults(system_prompt="", sampling=full.sampling)
        with_it, without = [
            _tokens_in(
                await self._upstreams.complete(
                    deployment, path, probe.compose(serving, deployment.upstream_model, body)
                ),
                probe,
            )
            for serving in (full, bare)
        ]
        return max(0, with_it - without)


def _place(checkpoint: CheckpointEntry, deployment: DeploymentEntry, path: str) -> Place:
    return deployment.id, checkpoint.id, deployment.base_url, deployment.upstream_model, path


def _tokens_in(reply: Any, probe: Probe) -> int:
    counts = counted(reply.get("usage") if isinstance(reply, dict) else None, probe.counts)
    if counts is None:
        raise UpstreamFailed(Failure.MALFORMED, "the upstream sends no usage")
    return counts.tokens_in
