"""Suites of cases, runs over checkpoints, comparisons of runs, and judges."""

from evals.models.health import CaseAudit, SizeFrontier, SuiteHealth
from evals.models.judges import (
    Calibration,
    Judge,
    JudgeVerdict,
    JudgeVersion,
    Label,
    LabelItem,
)
from evals.models.pace import PaceChange
from evals.models.probes import (
    Probe,
    ProbeAnswer,
    ProbeHypothesis,
    ProbePair,
    ProbePrompt,
    ProbeRating,
    ProbeRun,
)
from evals.models.replays import ReplaySet
from evals.models.run_sets import RunSet, RunSetReport
from evals.models.runs import Comparison, EarlyStop, Metric, Result, Run, RunScores, Shard
from evals.models.suites import Case, Suite, SuiteVersion
from evals.models.training import TrainingExport, TrainingRow
from evals.models.uploads import Upload

__all__ = [
    "Calibration",
    "Case",
    "CaseAudit",
    "Comparison",
    "EarlyStop",
    "Judge",
    "JudgeVerdict",
    "JudgeVersion",
    "Label",
    "LabelItem",
    "Metric",
    "PaceChange",
    "Probe",
    "ProbeAnswer",
    "ProbeHypothesis",
    "ProbePair",
    "ProbePrompt",
    "ProbeRating",
    "ProbeRun",
    "ReplaySet",
    "Result",
    "Run",
    "RunScores",
    "RunSet",
    "RunSetReport",
    "Shard",
    "SizeFrontier",
    "Suite",
    "SuiteHealth",
    "SuiteVersion",
    "TrainingExport",
    "TrainingRow",
    "Upload",
]
