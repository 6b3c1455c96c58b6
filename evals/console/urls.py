"""The console's pages of `evals`."""

from __future__ import annotations

from django.urls import URLPattern, path

from evals.console.compare import ComparePage
from evals.console.comparison import ComparisonPage
from evals.console.feedback import FeedbackItemPage
from evals.console.finding_cases import FindingCasesPage
from evals.console.frontier import FrontierPage
from evals.console.imports import ImportPage, ImportsPage
from evals.console.judges import JudgePage, JudgesPage, LabelPage
from evals.console.lineage import LineagePage
from evals.console.probes import ProbePage, ProbesPage, RatePage
from evals.console.replays import ReplayPage, ReplaysPage
from evals.console.run_sets import RunSetPage, RunSetsPage
from evals.console.runs import RunPage, RunsPage
from evals.console.suites import SuitePage, SuitesPage
from evals.console.training import TrainingExportPage, TrainingPage

urlpatterns: list[URLPattern] = [
    path("comparisons/", ComparePage.as_view(), name="console-compare"),
    path("comparisons/<uuid:comparison_id>/", ComparisonPage.as_view(), name="console-comparison"),
    path("frontier/", FrontierPage.as_view(), name="console-frontier"),
    path("suites/", SuitesPage.as_view(), name="console-suites"),
    path("suites/<slug:name>/", SuitePage.as_view(), name="console-suite"),
    path("imports/", ImportsPage.as_view(), name="console-imports"),
    path("imports/<uuid:upload_id>/", ImportPage.as_view(), name="console-import"),
    path("judges/", JudgesPage.as_view(), name="console-judges"),
    path("judges/<slug:name>/", JudgePage.as_view(), name="console-judge"),
    path("judges/<slug:name>/label/", LabelPage.as_view(), name="console-label"),
    path("probes/", ProbesPage.as_view(), name="console-probes"),
    path("probes/<uuid:probe_id>/", ProbePage.as_view(), name="console-probe"),
    path("probes/<uuid:probe_id>/rate/", RatePage.as_view(), name="console-probe-rate"),
    path("runs/", RunsPage.as_view(), name="console-runs"),
    path("runs/<uuid:run_id>/", RunPage.as_view(), name="console-run"),
    path("replays/", ReplaysPage.as_view(), name="console-replays"),
    path("replays/<uuid:run_id>/", ReplayPage.as_view(), name="console-replay"),
    path("run-sets/", RunSetsPage.as_view(), name="console-run-sets"),
    path("run-sets/<uuid:set_id>/", RunSetPage.as_view(), name="console-run-set"),
    path("feedback/<uuid:feedback_id>/", FeedbackItemPage.as_view(), name="console-feedback-item"),
    path(
        "findings/<uuid:finding_id>/cases/",
        FindingCasesPage.as_view(),
        name="console-finding-cases",
    ),
    path("lineage/", LineagePage.as_view(), name="console-lineage"),
    path("training/", TrainingPage.as_view(), name="console-training"),
    path(
        "training/<uuid:export_id>/",
        TrainingExportPage.as_view(),
        name="console-training-export",
    ),
]
