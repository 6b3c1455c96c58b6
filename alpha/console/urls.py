"""The console's pages of `alpha`."""

from __future__ import annotations

from django.urls import URLPattern, path

from alpha.console.access import AccessPage
from alpha.console.calls import CallsPage
from alpha.console.feedback import FeedbackPage
from alpha.console.feedback_groups import FeedbackGroupsPage
from alpha.console.feedback_import import FeedbackImportPage
from alpha.console.findings import FindingsPage
from alpha.console.history import HistoryPage
from alpha.console.investigation import FindingPage
from alpha.console.notices import NoticePage, NoticesPage
from alpha.console.partner import PartnerPage
from alpha.console.partner_people import PartnerPeoplePage
from alpha.console.partner_usage import PartnerUsagePage
from alpha.console.partners import PartnersPage
from alpha.console.preferences import (
    PreferencePage,
    PreferenceResultsPage,
    PreferencesPage,
)
from alpha.console.recalls import RecallPage
from alpha.console.terms import TermsPage

urlpatterns: list[URLPattern] = [
    path("partners/", PartnersPage.as_view(), name="console-partners"),
    path("partners/<uuid:partner_id>/", PartnerPage.as_view(), name="console-partner"),
    path(
        "partners/<uuid:partner_id>/usage/",
        PartnerUsagePage.as_view(),
        name="console-partner-usage",
    ),
    path(
        "partners/<uuid:partner_id>/people/",
        PartnerPeoplePage.as_view(),
        name="console-partner-people",
    ),
    path(
        "partners/<uuid:partner_id>/stages/<uuid:stage_id>/",
        AccessPage.as_view(),
        name="console-partner-access",
    ),
    path("partners/terms/", TermsPage.as_view(), name="console-terms"),
    path("calls/", CallsPage.as_view(), name="console-calls"),
    path("history/", HistoryPage.as_view(), name="console-history"),
    path("feedback/", FeedbackPage.as_view(), name="console-feedback"),
    path("feedback/import/", FeedbackImportPage.as_view(), name="console-feedback-import"),
    path("feedback/groups/", FeedbackGroupsPage.as_view(), name="console-feedback-groups"),
    path("notices/", NoticesPage.as_view(), name="console-notices"),
    path("notices/<uuid:notice_id>/", NoticePage.as_view(), name="console-notice"),
    path("recall/", RecallPage.as_view(), name="console-recall"),
    path("preferences/", PreferencesPage.as_view(), name="console-preferences"),
    path(
        "preferences/results/", PreferenceResultsPage.as_view(), name="console-preference-results"
    ),
    path("preferences/<uuid:session_id>/", PreferencePage.as_view(), name="console-preference"),
    path("findings/", FindingsPage.as_view(), name="console-findings"),
    path("findings/<uuid:finding_id>/", FindingPage.as_view(), name="console-finding"),
]
