"""The management API's resources of `alpha`."""

from __future__ import annotations

from django.urls import path

from alpha.api import (
    data_keys,
    feedback,
    findings,
    grants,
    history,
    investigations,
    keys,
    limits,
    notices,
    partner_people,
    partners,
    preferences,
    terms,
    triage,
)

urlpatterns = [
    path("partners/", partners.Partners.as_view(), name="partners"),
    path("partners/<slug:name>/", partners.PartnerDetail.as_view(), name="partner"),
    path("partners/<slug:name>/end/", partners.EndPartner.as_view(), name="partner-end"),
    path("partners/<slug:name>/keys/", keys.PartnerKeys.as_view(), name="partner-keys"),
    path("partners/<slug:name>/usage/", partners.PartnerUsage.as_view(), name="partner-usage"),
    path("partners/<slug:name>/data-keys/", data_keys.DataKeys.as_view(), name="data-keys"),
    path(
        "partners/<slug:name>/data-keys/rotate/",
        data_keys.RotateDataKey.as_view(),
        name="data-key-rotate",
    ),
    path(
        "partners/<slug:name>/data-keys/drop/",
        data_keys.DropDataKeys.as_view(),
        name="data-keys-drop",
    ),
    path(
        "partners/<slug:name>/usage/days/",
        partners.PartnerUsageDays.as_view(),
        name="partner-usage-days",
    ),
    path(
        "partners/<slug:name>/people/",
        partner_people.PartnerPeople.as_view(),
        name="partner-people",
    ),
    path(
        "partners/<slug:name>/invitations/",
        partner_people.PartnerInvitations.as_view(),
        name="partner-invitations",
    ),
    path(
        "partners/<slug:name>/key-right/",
        partner_people.PartnerKeyRight.as_view(),
        name="partner-key-right",
    ),
    path(
        "partner-people/<uuid:login_id>/end/",
        partner_people.EndPartnerPerson.as_view(),
        name="partner-person-end",
    ),
    path(
        "partner-invitations/<uuid:invitation_id>/withdraw/",
        partner_people.WithdrawInvitation.as_view(),
        name="partner-invitation-withdraw",
    ),
    path("partner-terms/", terms.TermsVersions.as_view(), name="partner-terms-versions"),
    path("cohorts/", partners.Cohorts.as_view(), name="cohorts"),
    path("cohorts/<slug:name>/members/", partners.Members.as_view(), name="cohort-members"),
    path("cohorts/<slug:name>/leave/", partners.Leave.as_view(), name="cohort-leave"),
    path("grants/", grants.Grants.as_view(), name="grants"),
    path("grants/<uuid:grant_id>/revoke/", grants.RevokeGrant.as_view(), name="grant-revoke"),
    path("grants/<uuid:grant_id>/terms/", grants.AcceptTerms.as_view(), name="grant-terms"),
    path("grants/<uuid:grant_id>/limits/", limits.GrantLimits.as_view(), name="grant-limits"),
    path("grants/<uuid:grant_id>/end/", grants.MoveGrantEnd.as_view(), name="grant-end"),
    path("keys/<uuid:key_id>/rotate/", keys.RotateKey.as_view(), name="key-rotate"),
    path("partners/<slug:name>/limits/", limits.PartnerLimits.as_view(), name="partner-limits"),
    path("keys/<uuid:key_id>/limits/", limits.KeyLimits.as_view(), name="key-limits"),
    path("keys/<uuid:key_id>/revoke/", keys.RevokeKey.as_view(), name="key-revoke"),
    path("feedback/", feedback.Inbox.as_view(), name="feedback"),
    path("feedback/<uuid:feedback_id>/", feedback.FeedbackDetail.as_view(), name="feedback-item"),
    path(
        "feedback/<uuid:feedback_id>/dismiss/", feedback.Dismiss.as_view(), name="feedback-dismiss"
    ),
    path("feedback/<uuid:feedback_id>/reopen/", feedback.Reopen.as_view(), name="feedback-reopen"),
    path("preferences/", preferences.Preferences.as_view(), name="preferences"),
    path(
        "preferences/reveal-pair/", preferences.RevealPair.as_view(), name="preference-reveal-pair"
    ),
    path(
        "preferences/results/", preferences.PreferenceResults.as_view(), name="preference-results"
    ),
    path(
        "preferences/<uuid:session_id>/", preferences.PreferenceDetail.as_view(), name="preference"
    ),
    path(
        "preferences/<uuid:session_id>/vote/",
        preferences.VotePreference.as_view(),
        name="preference-vote",
    ),
    path(
        "preferences/<uuid:session_id>/reveal/",
        preferences.RevealPreference.as_view(),
        name="preference-reveal",
    ),
    *triage.urlpatterns,
    path("notices/", notices.Notices.as_view(), name="notices"),
    path("notices/<uuid:notice_id>/", notices.NoticeDetail.as_view(), name="notice"),
    path("recalls/<str:name>/exposed/", notices.RecallPreview.as_view(), name="recall-exposed"),
    path("recalls/", notices.Recalls.as_view(), name="recalls"),
    *history.urlpatterns,
    path("findings/", findings.Findings.as_view(), name="findings"),
    path("findings/<uuid:finding_id>/", findings.FindingDetail.as_view(), name="finding"),
    path(
        "findings/<uuid:finding_id>/feedback/",
        findings.LinkFeedback.as_view(),
        name="finding-feedback",
    ),
    path(
        "findings/<uuid:finding_id>/confirm/",
        findings.ConfirmFinding.as_view(),
        name="finding-confirm",
    ),
    path(
        "findings/<uuid:finding_id>/reconfirm/",
        findings.ReconfirmFinding.as_view(),
        name="finding-reconfirm",
    ),
    *investigations.urlpatterns,
]
