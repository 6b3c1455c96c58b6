"""The console's pages of `releases`."""

from __future__ import annotations

from django.urls import URLPattern, path

from releases.console.board import BoardPage, PromotionsPage
from releases.console.checkpoints import CheckpointPage, CheckpointsPage
from releases.console.forecasts import ForecastsPage
from releases.console.line import LinePage
from releases.console.promotion import PromotionPage
from releases.console.simulate import SimulatePage
from releases.console.stage import StagePage

urlpatterns: list[URLPattern] = [
    path("board/", BoardPage.as_view(), name="console-board"),
    path("checkpoints/", CheckpointsPage.as_view(), name="console-checkpoints"),
    path("checkpoints/<uuid:checkpoint_id>/", CheckpointPage.as_view(), name="console-checkpoint"),
    path("forecasts/", ForecastsPage.as_view(), name="console-forecasts"),
    path("line/", LinePage.as_view(), name="console-line"),
    path("promotions/", PromotionsPage.as_view(), name="console-promotions"),
    path("promotions/<uuid:promotion_id>/", PromotionPage.as_view(), name="console-promotion"),
    path("simulate/", SimulatePage.as_view(), name="console-simulate"),
    path("stages/<uuid:stage_id>/", StagePage.as_view(), name="console-stage"),
]
