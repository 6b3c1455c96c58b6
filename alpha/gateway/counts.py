"""What a worker counts for those who watch it: plain numbers, a microsecond a call.

No name of a partner, codename or checkpoint is among the labels: whoever reads these learns
nothing of what is behind a codename.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from alpha.gateway.errors import Failure, Refusal

log = logging.getLogger(__name__)
# Upper ends of the histograms' buckets, in seconds; what takes longer is in one more.
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
SHARE_EVERY_S = 2.0
# A worker that has not shared its numbers for so long is gone.
GONE_AFTER_S = 15.0
# Of another release of Slipway the file may look otherwise.
FORM = 1

Snapshot = dict[str, Any]


class Histogram:
    """How many took how long."""

    __slots__ = ("buckets", "sum_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class Counts:
    """The worker's numbers since it started."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[int, str]] = Counter()
        self.failed_keys: Counter[str] = Counter()
        self.upstream_failures: Counter[str] = Counter()
        self.call_s: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.first_byte_s: defaultdict[str, Histogram] = defaultdict(Histogram)

    def call_ended(self, event: Mapping[str, Any]) -> None:
        """An admitted call, by its usage event."""
        endpoint = event["endpoint"]
        self.calls[endpoint, event["state"]] += 1
        self.call_s[endpoint].observe(event["total_ms"] / 1000)
        if (first_ms := event["first_token_ms"]) is not None:
            self.first_byte_s[endpoint].observe(first_ms / 1000)

    def call_refused(self, refusal: Refusal) -> None:
        """A call that was not admitted."""
        self.refused[refusal.status, refusal.code] += 1

    def upstream_failed(self, failure: Failure) -> None:
        self.upstream_failures[failure.value] += 1

    def snapshot(self, gauges: Mapping[str, float]) -> Snapshot:
        """The numbers as JSON holds them, `gauges` being what is measured only now."""
        return {
            "form": FORM,
            "worker": str(os.getpid()),
            "gauges": dict(gauges),
            "counters": {
                "calls": [[*key, n] for key, n in self.calls.items()],
                "refusals": [[str(status), code, n] for (status, code), n in self.refused.items()],
                "failed_keys": [[key, n] for key, n in self.failed_keys.items()],
                "upstream_failures": [[key, n] for key, n in self.upstream_failures.items()],
            },
            "histograms": {
                name: [[endpoint, found.buckets, found.sum_s] for endpoint, found in kept.items()]
                for name, kept in (
                    ("call_seconds", self.call_s),
                    ("first_byte_seconds", self.first_byte_s),
                )
            },
        }


class Shared:
    """The numbers of all workers that share a folder: any of them can tell those of all."""

    def __init__(self, folder: Path, measured: Callable[[], Snapshot]) -> None:
        self._folder, self._measured = folder, measured
        self._own = folder / f"{os.getpid()}.json"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._task = asyncio.create_task(self._run(), name="gateway-counts")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._own.unlink(missing_ok=True)

    async def _run(self) -> None:
        while True:
            try:
                self._share()
            except OSError as error:
                log.warning("this worker's counts can't be shared: %s", error)
            await asyncio.sleep(SHARE_EVERY_S)

    def _share(self) -> None:
        draft = self._own.with_suffix(".draft")
        draft.write_text(json.dumps(self._measured()), encoding="utf-8")
        draft.rename(self._own)

    def all(self) -> list[Snapshot]:
        """This worker's numbers as of now, the others' as they last shared them."""
        found = [self._measured()]
        for path in sorted(self._folder.glob("*.json")):
            if path == self._own:
                continue
            try:
                age_s = time.time() - path.stat().st_mtime
                if age_s >= GONE_AFTER_S:
                    path.unlink(missing_ok=True)
                    continue
                told = json.loads(path.read_bytes())
            except (FileNotFoundError, ValueError):
                # Workers write theirs whole: this one has just gone, or is no worker's.
                continue
            if isinstance(told, dict) and told.get("form") == FORM:
                found.append(told)
        return found
