"""The console's pages of `evals`."""

from __future__ import annotations

from django.urls import URLPattern, path

from evals.console.compare import ComparePage, ComparisonPage
from evals.console.feedback import FeedbackItemPage
from evals.console.runs import RunPage, RunsPage
from evals.console.suites import SuitePage, SuitesPage

urlpatterns: list[URLPattern] = [
    path("comparisons/", ComparePage.as_view(), name="console-compare"),
    path("comparisons/<uuid:comparison_id>/", ComparisonPage.as_view(), name="console-comparison"),
    path("suites/", SuitesPage.as_view(), name="console-suites"),
    path("suites/<slug:name>/", SuitePage.as_view(), name="console-suite"),
    path("runs/", RunsPage.as_view(), name="console-runs"),
    path("runs/<uuid:run_id>/", RunPage.as_view(), name="console-run"),
    path("feedback/<uuid:feedback_id>/", FeedbackItemPage.as_view(), name="console-feedback-item"),
]
