"""Checkpoints, pipelines, promotions and releases."""

from releases.models.checkpoints import Checkpoint, Deployment, Family, Price
from releases.models.pipelines import Codename, Pipeline, PipelineVersion, Stage
from releases.models.promotions import (
    Answer,
    Approval,
    DecisionRecord,
    Evaluation,
    GateOutcome,
    Promotion,
    Waiver,
)
from releases.models.releases import Hold, Release

__all__ = [
    "Answer",
    "Approval",
    "Checkpoint",
    "Codename",
    "DecisionRecord",
    "Deployment",
    "Evaluation",
    "Family",
    "GateOutcome",
    "Hold",
    "Pipeline",
    "PipelineVersion",
    "Price",
    "Promotion",
    "Release",
    "Stage",
    "Waiver",
]
