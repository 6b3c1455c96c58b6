"""The one source of time; tests move it, nothing else reads the wall clock for a decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_OFFSET: ContextVar[timedelta] = ContextVar("slipway_clock_offset", default=timedelta(0))
_FROZEN: ContextVar[datetime | None] = ContextVar("slipway_clock_frozen", default=None)


def now() -> datetime:
    """The current moment, aware, in UTC."""
    frozen = _FROZEN.get()
    return (frozen if frozen is not None else datetime.now(UTC)) + _OFFSET.get()


@contextmanager
def frozen_at(moment: datetime) -> Iterator[None]:
    """Stop the clock at `moment` inside the block; `moved_by` still moves it."""
    token = _FROZEN.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _FROZEN.reset(token)


@contextmanager
def moved_by(delta: timedelta) -> Iterator[None]:
    """Move the clock by `delta` inside the block."""
    token = _OFFSET.set(_OFFSET.get() + delta)
    try:
        yield
    finally:
        _OFFSET.reset(token)
