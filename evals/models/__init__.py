"""Suites of cases, runs over checkpoints, and comparisons of runs."""

from evals.models.runs import Comparison, Metric, Result, Run, Shard
from evals.models.suites import Case, Suite, SuiteVersion

__all__ = [
    "Case",
    "Comparison",
    "Metric",
    "Result",
    "Run",
    "Shard",
    "Suite",
    "SuiteVersion",
]
