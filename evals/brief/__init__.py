"""What `evals` brings to the brief: last night's answers, suites that wear out, work to do."""

from __future__ import annotations

from evals.brief.nights import nights
from evals.brief.suites import work, worn_suites
from infra.brief.contract import Asked, Part


def part(asked: Asked) -> Part:
    """A worn suite waits for its owner, and is a risk to everybody else."""
    found, steps = nights(asked)
    worn = worn_suites(asked)
    return Part(
        waits=[*(line for line, is_mine in worn if is_mine), *work(asked)],
        risks=[line for line, is_mine in worn if not is_mine],
        nights=found,
        next_steps=steps,
    )
