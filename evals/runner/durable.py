"""Results made durable at once: in PostgreSQL, or in the journal while it is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import TracebackType
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from evals.runner import storage
from evals.runner.journal import Journal
from evals.runner.storage import ResultRow

log = logging.getLogger(__name__)
AWAY = (OperationalError, InterfaceError)
TRY_AGAIN_S = 0.25


class DurableResults:
    """Where a shard's results go; a context manager, and not for several threads."""

    def __init__(self, run_id: UUID) -> None:
        self._journal = Journal(run_id)
        self._try_at = 0.0
        self.is_away = False
        """The database did not answer the last time; nothing else should be asked of it."""

    def __enter__(self) -> DurableResults:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.close()

    def keep(self, rows: Sequence[ResultRow]) -> None:
        """Durable when this returns; OSError when neither the database nor the disk takes them."""
        lines = [storage.copy_line(row) for row in rows]
        if self.is_away and not self.comes_back():
            self._journal.append(lines)
            return
        try:
            storage.write_lines(lines)
        except AWAY as error:
            self.went_away(error)
            self._journal.append(lines)

    def went_away(self, error: Exception) -> None:
        """Some question to the database failed because it is away."""
        if not self.is_away:
            log.warning("The database is away, results go to the journal: %s", error)
        self.is_away, self._try_at = True, time.monotonic() + TRY_AGAIN_S
        connection.close()

    def comes_back(self) -> bool:
        """Whether the database answers again; then the journal is in it."""
        if not self.is_away:
            return True
        if time.monotonic() < self._try_at:
            return False
        try:
            n_new = self._journal.ship()
            connection.ensure_connection()
        except AWAY as error:
            self.went_away(error)
            return False
        self.is_away = False
        log.warning("The database is back; %d results came from the journal.", n_new)
        return True
