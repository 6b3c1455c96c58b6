"""Outputs that an older run stored, answered again in place of an upstream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evals import outputs
from evals.models import Result, Run
from infra.errors import UpstreamError
from infra.inference import Completion, CompletionFailed

NO_OUTPUT = "no_stored_output"


class NotStored(CompletionFailed):
    """The older run has no answer of this item: it errored, for the same reason as then."""

    def __init__(self, code: str, message: str) -> None:
        UpstreamError.__init__(self, code, message, retryable=False)
        self.n_calls = 0


class StoredAnswers:
    """A chat client that calls nothing: bodies name a case and a repeat of the older run."""

    def __init__(self, run: Run) -> None:
        """Reads every output of the older run, still packed; on the database's thread."""
        self._rows = dict(_stored(run))

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The stored answer, of no new call; NotStored with what became of it then."""
        row = self._rows.get((body["case_id"], body["repeat"]))
        if row is None:
            message = f"The older run has no result of case {body['case_id']}."
            raise NotStored(NO_OUTPUT, message)
        output = outputs.unpack(row["output"])
        if output is None:
            code = row["error_code"] or NO_OUTPUT
            raise NotStored(code, row["error_message"] or "The older run stored no answer.")
        return Completion(
            text=output.text,
            tool_calls=output.tool_calls,
            finish_reason=output.finish_reason,
            tokens_in=None,
            tokens_out=None,
            tokens_cached=None,
            latency_ms=row["latency_ms"],
            n_calls=0,
        )

    async def close(self) -> None:
        """Nothing is open."""


def stored_body(case_id: str, repeat: int) -> dict[str, Any]:
    """What StoredAnswers is asked for one item."""
    return {"case_id": case_id, "repeat": repeat}


def _stored(run: Run) -> Iterator[tuple[tuple[str, int], dict[str, Any]]]:
    fields = ("case__case_id", "repeat", "output", "error_code", "error_message", "latency_ms")
    rows = Result.objects.filter(run=run).values(*fields)
    for row in rows.iterator(chunk_size=2_000):
        yield (row["case__case_id"], row["repeat"]), row
