"""Checkpoints, pipelines, promotions and releases."""

from releases.models.checkpoints import Checkpoint, Deployment, Family, Price
from releases.models.controls import FollowUp, Freeze, FreezeWaiver, LineStop, Rejection
from releases.models.forecasts import Forecast, ForecastObservation
from releases.models.pipelines import Codename, Pipeline, PipelineVersion, Stage
from releases.models.promotions import (
    Answer,
    Approval,
    DecisionRecord,
    Evaluation,
    GateOutcome,
    Promotion,
    PromotionComment,
    PromotionSet,
    Waiver,
)
from releases.models.releases import Hold, Release
from releases.models.rollouts import Guardrail, Ramp, RampApproval, ShareChange

__all__ = [
    "Answer",
    "Approval",
    "Checkpoint",
    "Codename",
    "DecisionRecord",
    "Deployment",
    "Evaluation",
    "Family",
    "FollowUp",
    "Forecast",
    "ForecastObservation",
    "Freeze",
    "FreezeWaiver",
    "GateOutcome",
    "Guardrail",
    "Hold",
    "LineStop",
    "Pipeline",
    "PipelineVersion",
    "Price",
    "Promotion",
    "PromotionComment",
    "PromotionSet",
    "Ramp",
    "RampApproval",
    "Rejection",
    "Release",
    "ShareChange",
    "Stage",
    "Waiver",
]
