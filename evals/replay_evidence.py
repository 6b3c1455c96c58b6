"""What replayed conversations tell the gate that asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evals.models import Run
from evals.selectors import replays, suites
from evals.states import RunState
from infra.errors import DomainError, NotFound
from releases.gates.contract import Evidence, Gate, Subject
from releases.models import Checkpoint

DEFAULT_CONFIDENCE = 0.95


class ReplayEvidence:
    """Predicted rates of the failure modes, from the checkpoint's newest whole replay."""

    kinds = frozenset({"replay"})

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """What is known now; `missing` names the command that would make it known."""
        base = {"checkpoint": subject.checkpoint_digest}
        checkpoint = Checkpoint.objects.get(pk=subject.checkpoint_id)
        reference = str(gate.options.get("set", ""))
        try:
            run = replays.newest_replay(checkpoint.pk, reference)
        except NotFound as unknown:
            return Evidence(missing=unknown.message, inputs=base)
        except DomainError as refusal:
            return Evidence(problem=refusal.message, inputs=base)
        if run is None:
            return Evidence(missing=_none(checkpoint, reference), inputs=base)
        confidence = float(gate.options.get("confidence", DEFAULT_CONFIDENCE))
        name = reference or run.version.suite.name
        return Evidence(
            observed=observed_of(run, confidence),
            inputs={**base, **suites.input_digests(run.version, name)},
            url=f"/console/replays/{run.pk}/",
        )


def observed_of(run: Run, confidence: float) -> Mapping[str, Any]:
    """The numbers that the rule is given."""
    rates = [rate for rate in replays.mode_rates(run, confidence) if rate.n]
    made = run.version.replay_set
    return {
        "run_id": str(run.pk),
        "set": str(run.version),
        "source": made.source,
        "n_partners": made.n_partners,
        "conversations": replays.outcomes_of(run),
        "modes": replays.as_rows(rates),
    }


def _none(checkpoint: Checkpoint, reference: str) -> str:
    going = replays.replays().filter(
        checkpoint=checkpoint, state__in=[RunState.QUEUED.value, RunState.RUNNING.value]
    )
    if going.exists():
        return f"{checkpoint.name} is being replayed now."
    wanted = reference or "SET"
    start = f"`manage.py replay start {wanted} {checkpoint.name}`"
    return f"{checkpoint.name} has no completed replay of {reference or 'any set'}: {start}."
