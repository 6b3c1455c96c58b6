"""The management API's resources of `releases`."""

from __future__ import annotations

from releases.api import (
    audit,
    board,
    changes,
    checkpoints,
    decisions,
    deployments,
    forecasts,
    freezes,
    line,
    pipelines,
    promotions,
    ramps,
    releases,
    sets,
    simulation,
)

urlpatterns = [
    *checkpoints.urlpatterns,
    *deployments.urlpatterns,
    *pipelines.urlpatterns,
    *promotions.urlpatterns,
    *changes.urlpatterns,
    *releases.urlpatterns,
    *ramps.urlpatterns,
    *audit.urlpatterns,
    *board.urlpatterns,
    *decisions.urlpatterns,
    *line.urlpatterns,
    *freezes.urlpatterns,
    *forecasts.urlpatterns,
    *sets.urlpatterns,
    *simulation.urlpatterns,
]
