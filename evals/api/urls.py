"""The management API's resources of `evals`."""

from __future__ import annotations

from django.urls import URLPattern, path

from evals.api import cases, comparisons, runs, suites

urlpatterns: list[URLPattern] = [
    path("suites/", suites.Suites.as_view(), name="suites"),
    path("suites/<suite:name>/", suites.SuiteDetail.as_view(), name="suite"),
    path("suites/<suite:name>/versions/", suites.Versions.as_view(), name="suite-versions"),
    path("suites/<suite:name>/publish/", suites.Publish.as_view(), name="suite-publish"),
    path("suites/<suite:name>/discard/", suites.Discard.as_view(), name="suite-discard"),
    path("suites/<suite:name>/renew/", suites.Renew.as_view(), name="suite-renew"),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<uuid:run_id>/", runs.RunDetail.as_view(), name="run"),
    path("runs/<uuid:run_id>/results/", runs.Results.as_view(), name="run-results"),
    path("runs/<uuid:run_id>/cancel/", runs.Cancel.as_view(), name="run-cancel"),
    path("comparisons/", comparisons.Comparisons.as_view(), name="comparisons"),
    path(
        "comparisons/<uuid:comparison_id>/input/",
        comparisons.ComparisonInput.as_view(),
        name="comparison-input",
    ),
    path(
        "feedback/<uuid:feedback_id>/case/", cases.CaseFromFeedback.as_view(), name="feedback-case"
    ),
]
