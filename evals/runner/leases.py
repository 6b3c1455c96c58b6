"""Who works on a shard: a lease that is taken by compare-and-set and kept alive by its holder."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID, uuid4

import psutil
from django.db import transaction
from django.db.models import Q, QuerySet

from evals.models import Run, Shard
from evals.services import runs
from evals.states import RunState, ShardState
from infra import clock

# A killed worker's shard is free after this and taken up by the next sweep.
LEASE = timedelta(seconds=5)
HEARTBEAT_S = 1.0
# A worker notices within this that its run is over.
LOOK_S = 0.25
MOST_CLAIMS = 50
OPEN_RUNS = (RunState.QUEUED.value, RunState.RUNNING.value)
# Of a paused run, what is under way is still recorded.
GOING_ON = (RunState.RUNNING.value, RunState.PAUSED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A shard that this process holds."""

    shard_id: UUID
    run_id: UUID
    holder: str
    first: int
    last: int


def claim(shard_id: UUID) -> Lease | None:
    """The lease, or None while another holds it, or when the shard or its run is over."""
    holder = f"{_machine()}:{os.getpid()}:{uuid4().hex[:12]}"
    now = clock.now()
    with transaction.atomic():
        shard = (
            Shard.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(_is_free(now), pk=shard_id, run__state__in=OPEN_RUNS)
            .first()
        )
        if shard is None:
            return None
        shard.state, shard.holder = ShardState.RUNNING.value, holder
        shard.lease_until, shard.n_claims = now + LEASE, shard.n_claims + 1
        shard.save(update_fields=["state", "holder", "lease_until", "n_claims"])
        Run.objects.filter(pk=shard.run_id, state=RunState.QUEUED.value).update(
            state=RunState.RUNNING.value, started_at=now
        )
    return Lease(
        shard_id=shard.pk, run_id=shard.run_id, holder=holder, first=shard.first, last=shard.last
    )


def _is_free(now: datetime) -> Q:
    return Q(state=ShardState.QUEUED.value) | Q(state=ShardState.RUNNING.value, lease_until__lt=now)


@cache
def _machine() -> str:
    """Where a process number means the same process: the host, and its name space of processes."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        space = 0
    return f"{socket.gethostname()[-60:]}/{space}"


def _is_dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    machine, pid, _ = holder.rsplit(":", 2)
    if machine != _machine():
        return False
    try:
        return psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_held(lease: Lease) -> bool:
    """Whether the shard is still this holder's, of a run that goes on or is paused."""
    return _held(lease).filter(run__state__in=GOING_ON).exists()


def renew(lease: Lease) -> bool:
    """Keep the lease; False when another holds the shard or the run is over."""
    held = _held(lease).filter(run__state__in=GOING_ON)
    return held.update(lease_until=clock.now() + LEASE) == 1


def finish(lease: Lease) -> bool:
    """Every item is recorded; False when another holds the shard by now."""
    return _held(lease).update(state=ShardState.DONE.value, lease_until=None) == 1


def release(lease: Lease) -> bool:
    """Give the shard back undone, its run being paused; nudged at once if that is over already."""
    with transaction.atomic():
        freed = _held(lease).update(state=ShardState.QUEUED.value, holder="", lease_until=None)
        if freed and Run.objects.filter(pk=lease.run_id, state__in=OPEN_RUNS).exists():
            runs.send_shard(lease.shard_id)
    return freed == 1


def _held(lease: Lease) -> QuerySet[Shard]:
    return Shard.objects.filter(
        pk=lease.shard_id, holder=lease.holder, state=ShardState.RUNNING.value
    )


def sweep() -> int:
    """Nudge every shard that nobody works on, end what can't end by itself; the number nudged."""
    now = clock.now()
    with transaction.atomic():
        lost = _lost(now)
        for shard in lost:
            shard.state, shard.lease_until = ShardState.QUEUED.value, now + runs.NUDGE_LASTS
            shard.save(update_fields=["state", "lease_until"])
            runs.send_shard(shard.pk)
    for shard in lost:
        if shard.n_claims >= MOST_CLAIMS:
            problem = f"Shard {shard.index} was begun {shard.n_claims} times and never finished."
            runs.fail_run(run_id=shard.run_id, problem=f"{problem} See the worker's log.")
    undone = (ShardState.QUEUED.value, ShardState.RUNNING.value)
    complete = Run.objects.filter(state=RunState.RUNNING.value).exclude(shards__state__in=undone)
    for run_id in list(complete.values_list("pk", flat=True)):
        runs.finish_run(run_id=run_id)
    return len(lost)


def _lost(now: datetime) -> list[Shard]:
    """Undone shards of open runs, locked, whose lease is over or whose holder was killed here."""
    undone = Shard.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        state__in=(ShardState.QUEUED.value, ShardState.RUNNING.value), run__state__in=OPEN_RUNS
    )
    over = list(undone.filter(Q(lease_until__lt=now) | Q(lease_until__isnull=True)))
    here = undone.filter(
        state=ShardState.RUNNING.value, lease_until__gte=now, holder__startswith=f"{_machine()}:"
    )
    return over + [shard for shard in here if _is_dead(shard.holder)]
