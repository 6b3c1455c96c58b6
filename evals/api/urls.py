"""The management API's resources of `evals`."""

from __future__ import annotations

from django.urls import URLPattern, path

from evals.api import (
    cases,
    comparisons,
    frontier,
    health,
    judge_labels,
    judges,
    lineage,
    probe_ratings,
    probes,
    regression,
    replays,
    results,
    run_controls,
    run_imports,
    run_sets,
    runs,
    suite_imports,
    suites,
    training,
)

urlpatterns: list[URLPattern] = [
    path("suites/", suites.Suites.as_view(), name="suites"),
    path("suites/<suite:name>/", suites.SuiteDetail.as_view(), name="suite"),
    path("suites/<suite:name>/versions/", suites.Versions.as_view(), name="suite-versions"),
    path("suites/<suite:name>/publish/", suites.Publish.as_view(), name="suite-publish"),
    path("suites/<suite:name>/import/", suite_imports.ImportSuite.as_view(), name="suite-import"),
    path(
        "suites/<suite:name>/import/plan/",
        suite_imports.PlanSuiteImport.as_view(),
        name="suite-import-plan",
    ),
    path("suites/<suite:name>/discard/", suites.Discard.as_view(), name="suite-discard"),
    path("frontier/", frontier.Frontier.as_view(), name="frontier"),
    path("suites/<suite:name>/health/", health.SuiteHealth.as_view(), name="suite-health"),
    path("suites/<suite:name>/audits/", health.Audits.as_view(), name="suite-audits"),
    path("suites/<suite:name>/renew/", suites.Renew.as_view(), name="suite-renew"),
    path("judges/", judges.Judges.as_view(), name="judges"),
    path("judges/<suite:name>/", judges.JudgeDetail.as_view(), name="judge"),
    path("judges/<suite:name>/versions/", judges.Versions.as_view(), name="judge-versions"),
    path(
        "judges/<suite:name>/calibrations/",
        judges.Calibrations.as_view(),
        name="judge-calibrations",
    ),
    path("judges/<suite:name>/terms/", judges.Terms.as_view(), name="judge-terms"),
    path("judges/<suite:name>/draw/", judge_labels.Draw.as_view(), name="judge-draw"),
    path("judges/<suite:name>/calibrate/", judges.Calibrate.as_view(), name="judge-calibrate"),
    path(
        "judges/<suite:name>/items/next/", judge_labels.NextItem.as_view(), name="judge-next-item"
    ),
    path(
        "judges/<suite:name>/items/<uuid:item_id>/label/",
        judge_labels.GiveLabel.as_view(),
        name="judge-label",
    ),
    path("probes/", probes.Probes.as_view(), name="probes"),
    path("probes/templates/", probes.ProbeTemplates.as_view(), name="probe-templates"),
    path("probes/<uuid:probe_id>/", probes.ProbeDetail.as_view(), name="probe"),
    path("probes/<uuid:probe_id>/pairs/", probes.ProbePairs.as_view(), name="probe-pairs"),
    path(
        "probes/<uuid:probe_id>/pairs/<uuid:pair_id>/edit/",
        probes.EditPair.as_view(),
        name="probe-pair-edit",
    ),
    path("probes/<uuid:probe_id>/review/", probes.ReviewPairs.as_view(), name="probe-review"),
    path(
        "probes/<uuid:probe_id>/hypotheses/", probes.Hypotheses.as_view(), name="probe-hypotheses"
    ),
    path("probes/<uuid:probe_id>/start/", probes.StartProbe.as_view(), name="probe-start"),
    path("probes/<uuid:probe_id>/conclude/", probes.ConcludeProbe.as_view(), name="probe-conclude"),
    path("probes/<uuid:probe_id>/abandon/", probes.AbandonProbe.as_view(), name="probe-abandon"),
    path(
        "probes/<uuid:probe_id>/answers/next/",
        probe_ratings.NextProbeAnswer.as_view(),
        name="probe-next-answer",
    ),
    path(
        "probes/<uuid:probe_id>/answers/<uuid:answer_id>/rate/",
        probe_ratings.RateProbeAnswer.as_view(),
        name="probe-rate",
    ),
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/import/", run_imports.ImportRun.as_view(), name="run-import"),
    path("runs/import/plan/", run_imports.PlanRunImport.as_view(), name="run-import-plan"),
    path("runs/<uuid:run_id>/", runs.RunDetail.as_view(), name="run"),
    path("runs/<uuid:run_id>/results/", results.Results.as_view(), name="run-results"),
    path("runs/<uuid:run_id>/pace/", runs.RunPace.as_view(), name="run-pace"),
    path("runs/<uuid:run_id>/cancel/", run_controls.Cancel.as_view(), name="run-cancel"),
    path("runs/<uuid:run_id>/pause/", run_controls.Pause.as_view(), name="run-pause"),
    path("runs/<uuid:run_id>/resume/", run_controls.Resume.as_view(), name="run-resume"),
    path("runs/<uuid:run_id>/regrade/", run_controls.Regrade.as_view(), name="run-regrade"),
    path("run-sets/", run_sets.RunSets.as_view(), name="run-sets"),
    path("run-sets/<uuid:set_id>/", run_sets.RunSetDetail.as_view(), name="run-set"),
    path("run-sets/<uuid:set_id>/report/", run_sets.Report.as_view(), name="run-set-report"),
    path("replay-sets/", replays.ReplaySets.as_view(), name="replay-sets"),
    path("replay-sets/import/", replays.ImportReplaySet.as_view(), name="replay-set-import"),
    path("replays/start/", replays.StartReplay.as_view(), name="replay-start"),
    path("replays/grade-recorded/", replays.GradeRecorded.as_view(), name="replay-grade-recorded"),
    path("replays/<uuid:run_id>/", replays.ReplayDetail.as_view(), name="replay"),
    path("comparisons/", comparisons.Comparisons.as_view(), name="comparisons"),
    path(
        "comparisons/<uuid:comparison_id>/flipped/",
        comparisons.FlippedCases.as_view(),
        name="comparison-flipped",
    ),
    path(
        "comparisons/<uuid:comparison_id>/uncompared/",
        comparisons.UncomparedCases.as_view(),
        name="comparison-uncompared",
    ),
    path(
        "comparisons/<uuid:comparison_id>/input/",
        comparisons.ComparisonInput.as_view(),
        name="comparison-input",
    ),
    path(
        "feedback/<uuid:feedback_id>/case/", cases.CaseFromFeedback.as_view(), name="feedback-case"
    ),
    path(
        "findings/<uuid:finding_id>/cases/plan/",
        regression.PlanCases.as_view(),
        name="finding-cases-plan",
    ),
    path("findings/<uuid:finding_id>/cases/", regression.MakeCases.as_view(), name="finding-cases"),
    path("training/exports/", training.TrainingExports.as_view(), name="training-exports"),
    path(
        "training/exports/<uuid:export_id>/",
        training.TrainingExportDetail.as_view(),
        name="training-export",
    ),
    path(
        "training/exports/<uuid:export_id>/files/<str:name>",
        training.TrainingExportFile.as_view(),
        name="training-export-file",
    ),
    path("lineage/<uuid:subject_id>/", lineage.Lineage.as_view(), name="lineage"),
]
