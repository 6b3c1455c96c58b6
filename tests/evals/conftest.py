"""What the tests of `evals` share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import infra.celery  # noqa: F401  the application that tasks are sent by
from tests.evals.upstream import Upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A small OpenAI-compatible server over real HTTP."""
    with Upstream() as server:
        yield server
