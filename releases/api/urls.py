"""The management API's resources of `releases`."""

from __future__ import annotations

from releases.api import checkpoints, deployments, pipelines

urlpatterns = [
    *checkpoints.urlpatterns,
    *deployments.urlpatterns,
    *pipelines.urlpatterns,
]
