"""Records of partners, usage and feedback: to read, never to edit."""

from __future__ import annotations

from django.contrib import admin

from alpha.models import Cohort, Feedback, Finding, Grant, Key, Partner, Transcript
from infra.admin import RecordAdmin


@admin.register(Partner)
class PartnerAdmin(RecordAdmin):
    list_display = ("name", "contact_email", "created_at", "ended_at")
    search_fields = ("name", "contact_email")


@admin.register(Cohort)
class CohortAdmin(RecordAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name",)


@admin.register(Grant)
class GrantAdmin(RecordAdmin):
    list_display = ("__str__", "opens_at", "ends_at", "transcript_consent", "revoked_at")
    list_filter = ("transcript_consent",)
    list_select_related = ("partner", "cohort", "stage__pipeline")


@admin.register(Key)
class KeyAdmin(RecordAdmin):
    list_display = ("__str__", "partner", "name", "created_at", "expires_at", "revoked_at")
    search_fields = ("public", "partner__name")
    list_select_related = ("partner",)
    exclude = ("digest",)


@admin.register(Feedback)
class FeedbackAdmin(RecordAdmin):
    list_display = ("partner", "codename", "checkpoint", "state", "thumbs_up", "received_at")
    list_filter = ("state", "source")
    search_fields = ("partner__name", "comment")
    list_select_related = ("partner", "checkpoint")


@admin.register(Finding)
class FindingAdmin(RecordAdmin):
    list_display = ("title", "severity", "state", "checkpoint", "reporter", "opened_at")
    list_filter = ("state", "severity")
    search_fields = ("title", "checkpoint__name")
    list_select_related = ("checkpoint", "reporter")


@admin.register(Transcript)
class TranscriptAdmin(RecordAdmin):
    """Where a text lies and until when; the text itself is shown with its feedback alone."""

    list_display = ("request_id", "partner", "stored_at", "expires_at")
    list_display_links = None
    list_select_related = ("partner",)
