"""A reinforcement export looked at beforehand: what a job refuses, or learns nothing by."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from evals import graders
from evals.graders.contract import (
    GradedCase,
    GraderError,
    GraderErrorKind,
    GraderSpecError,
    Limits,
    Sample,
)
from evals.graders.python.sandbox import Sandbox
from evals.services import training, training_files
from evals.services.training import Wanted
from evals.training import grader as grader_rules
from evals.training.contract import MOST_RFT_ROWS, Split, TrainingKind
from evals.training.corrections import Correction, Lack, LeftOut, Row
from evals.training.readiness import Note, Tried, notes_on
from evals.training.rft import REFERENCE
from evals.training.splitting import split_of
from infra.actors import Actor
from infra.errors import InvalidInput
from infra.inference import Completion

MOST_TRIED = 100
LIMITS = Limits(timeout_s=5.0, memory_bytes=512 * 2**20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the export would hold, and what stands against it; nothing was written."""

    n_rows: Mapping[Split, int]
    left_out: Mapping[str, int]
    n_tried: int
    """Items whose recorded answer and correction the grader was given."""
    notes: Sequence[Note]


def readiness(*, actor: Actor, wanted: Wanted) -> Readiness:
    """Count the items, and grade some of them: the recorded answer and the correction.

    Which are tried is drawn by their digest, so the same items are again. A grader that asks a
    model is not tried. InvalidInput for another kind, and as for the export itself.
    """
    training_files.must_export(actor)
    if wanted.kind is not TrainingKind.RFT:
        message = f"Only rft exports are checked beforehand; this one is {wanted.kind.value}."
        raise InvalidInput("kind_not_checked", message)
    training.check(wanted)
    counted = _Counted(wanted)
    for correction, made in training.rows(actor, wanted):
        counted.add(correction, made)
    training.must_be_usable(wanted, counted.n_rows, counted.left_out)
    asks = _asks_a_model(wanted.grader or {})
    why = "it asks a model, which costs money" if asks else ""
    tried = [] if asks else asyncio.run(_tried(wanted.grader or {}, counted.drawn()))
    n_over = counted.left_out[Lack.OVER_MOST.value]
    return Readiness(
        n_rows=counted.n_rows,
        left_out=dict(sorted(counted.left_out.items())),
        n_tried=len(tried),
        notes=notes_on(counted.n_rows, n_over, tried, why),
    )


class _Counted:
    """Rows counted as an export would, and a few of them kept to be graded."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._kept: list[tuple[int, bytes, str]] = []
        self._seen: set[bytes] = set()
        self.n_rows = dict.fromkeys(Split, 0)
        self.left_out: Counter[str] = Counter()

    def add(self, correction: Correction | None, made: Row | LeftOut) -> None:
        if isinstance(made, LeftOut):
            self.left_out[made.why.value] += 1
            return
        digest = hashlib.sha256(made.line).digest()
        split = split_of(made.conversation, self._wanted.validation_share, self._wanted.seed)
        if self.n_rows[split] >= MOST_RFT_ROWS[split]:
            self.left_out[Lack.OVER_MOST.value] += 1
        elif digest in self._seen:
            self.left_out[Lack.DUPLICATE.value] += 1
        else:
            self._seen.add(digest)
            self.n_rows[split] += 1
            if correction is not None and correction.reply is not None:
                self._keep(digest, made.line, correction.reply)

    def _keep(self, digest: bytes, line: bytes, reply: str) -> None:
        """The lowest digests: a random sample that is the same each time."""
        entry = (-int.from_bytes(digest[:8], "big"), line, reply)
        push = heapq.heappush if len(self._kept) < MOST_TRIED else heapq.heappushpop
        push(self._kept, entry)

    def drawn(self) -> list[tuple[dict[str, Any], str]]:
        """Each item with what was answered."""
        return [(orjson.loads(line), reply) for _, line, reply in sorted(self._kept)]


class _CodeAlone:
    """What a grader may use here: confined code, and no model."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()

    async def complete(self, model: str, body: Mapping[str, Any]) -> Completion:
        raise GraderError(GraderErrorKind.MODEL_SERVER, f"{model} is not asked before an export")

    async def run_python(
        self, source: str, sample: Mapping[str, Any], item: Mapping[str, Any], limits: Limits
    ) -> float:
        return await self.sandbox.score(source, sample, item, LIMITS)


async def _tried(
    grader: Mapping[str, Any], drawn: Sequence[tuple[dict[str, Any], str]]
) -> list[Tried]:
    services = _CodeAlone()
    try:
        return [
            Tried(
                answered=await _score(grader, item, reply, services),
                wanted=await _score(grader, item, item[REFERENCE], services),
            )
            for item, reply in drawn
        ]
    finally:
        await services.sandbox.close()


async def _score(
    grader: Mapping[str, Any], item: Mapping[str, Any], text: str, services: _CodeAlone
) -> float | None:
    case = GradedCase(
        case_id="item", input=item["messages"], target=item[REFERENCE], metadata={"item": item}
    )
    try:
        grade = await graders.grade_one_async(
            grader, case, Sample(output_text=text, finish_reason="stop"), services
        )
    except (GraderError, GraderSpecError):
        return None
    return grade.score


def _asks_a_model(grader: Mapping[str, Any]) -> bool:
    inner = grader_rules.as_sent(grader).get("graders", {})
    return any(one.get("type") == "score_model" for one in (grader, *inner.values()))
