"""A finding, its probe, and an upstream with one planted weakness."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from alpha.models import Finding
from alpha.services import findings
from alpha.services.findings import Weakness
from evals.models import Probe
from evals.runner import shards
from evals.selectors import probes as reads
from evals.services.probes import design, review
from evals.services.probes.specs import ProbeSpec, PromptSpec
from infra.actors import Actor
from releases.gates.severity import Severity
from releases.models import Checkpoint
from tests.evals.upstream import Reply, Upstream, completion

FIVE = (
    "shorter_context",
    "system_prompt_off",
    "temperature_one",
    "answer_in_english",
    "tool_present",
)

Rate = Callable[[Mapping[str, Any]], float]


def long_context(body: Mapping[str, Any]) -> float:
    """Fails nearly always while there are earlier turns, and hardly ever without them."""
    return 0.95 if any(one["role"] == "assistant" for one in body["messages"]) else 0.05


class WeakUpstream(Upstream):
    """Answers `wrong` as often as the request makes it, the same for the same request."""

    def __init__(self, rate: Rate = long_context, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate

    def answer(self, body: dict[str, Any]) -> Reply:
        reply = super().answer(body)
        if reply.status != 200:
            return reply
        draw = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        is_wrong = int.from_bytes(draw[:4], "big") / 2**32 < self.rate(body)
        return completion("wrong" if is_wrong else "right")


def prompt(number: int) -> PromptSpec:
    """A conversation of two turns."""
    return PromptSpec(
        messages=[
            {"role": "user", "content": f"Earlier question {number}."},
            {"role": "assistant", "content": "An earlier answer."},
            {"role": "user", "content": f"Question {number}?"},
        ],
        target="right",
    )


def finding_of(actor: Actor, checkpoint: Checkpoint) -> Finding:
    """A vague complaint."""
    weakness = Weakness(title="It is weird in long chats.", severity=Severity.MAJOR)
    return findings.open_finding(actor=actor, checkpoint=checkpoint, weakness=weakness)


def spec_of(*checkpoints: Checkpoint, n_prompts: int = 8, **fields: Any) -> ProbeSpec:
    """A probe of five hypotheses."""
    values: dict[str, Any] = {
        "title": "What makes long chats weird?",
        "prompts": [prompt(number) for number in range(n_prompts)],
        "checkpoints": checkpoints,
        "templates": FIVE,
        "graders": [{"type": "string_check", "operation": "eq"}],
        "repeats": 8,
        "concurrency": 16,
        "seed": 1,
        "request": {"max_tokens": 16},
    }
    return ProbeSpec(**{**values, **fields})


def designed(actor: Actor, *checkpoints: Checkpoint, **fields: Any) -> Probe:
    """A draft whose pairs nobody reviewed."""
    finding = finding_of(actor, checkpoints[0])
    return design.create_probe(actor=actor, finding=finding, spec=spec_of(*checkpoints, **fields))


def approve_all(actor: Actor, probe: Probe) -> None:
    """Every pair as it was proposed."""
    ids = list(reads.pairs_of(probe).values_list("pk", flat=True))
    review.review_pairs(actor=actor, probe=probe, pair_ids=ids, approve=True)


def execute(probe: Probe) -> None:
    """Every run of the probe in this process, as a worker would."""
    for one in probe.probe_runs.select_related("run"):
        for shard in one.run.shards.all():
            shards.run_shard(shard.pk)
