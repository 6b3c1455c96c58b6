"""Who may call what: partners, cohorts, grants and keys."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from alpha.quotas import NAMES, Quotas
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import changes_routing, kept
from releases.models import Stage


class Limited(models.Model):
    """What has limits of its own; a call must be within those of its key, partner and grant."""

    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveBigIntegerField(null=True, blank=True)
    concurrent_requests = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    budget_micros_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    tokens_total = models.PositiveBigIntegerField(null=True, blank=True)
    budget_micros = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def quotas(self) -> Quotas:
        """Its limits; None is no limit."""
        return Quotas(**{name: getattr(self, name) for name in NAMES})


def knows_since_when(table: str) -> models.CheckConstraint:
    """The gateway counts from there on, and reads what was used before from the usage table."""
    return models.CheckConstraint(
        condition=Q(limited_since__isnull=False) | Q(**{f"{name}__isnull": True for name in NAMES}),
        name=f"{table}_limited_since",
        violation_error_message="Limits are kept with the moment since when there are any.",
    )


class Partner(Limited):
    """An organization that tries checkpoints before the public does."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    contact_email = models.EmailField()
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    limited_since = models.DateTimeField(null=True, blank=True)
    people_may_issue_keys = models.BooleanField(
        default=False, help_text="Whether its own people issue, rotate and revoke its keys."
    )

    class Meta:
        db_table = "partner"
        ordering = ["name"]
        constraints = [knows_since_when("partner")]
        triggers = [kept("partner"), changes_routing("partner")]

    def __str__(self) -> str:
        return self.name


class Cohort(models.Model):
    """Partners that are granted stages together."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    partners = models.ManyToManyField(
        Partner, through="CohortMember", related_name="cohorts", blank=True
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cohort"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CohortMember(models.Model):
    """One partner's place in one cohort."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="members")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="memberships")
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "cohort_member"
        constraints = [
            models.UniqueConstraint(
                fields=["cohort", "partner"],
                name="cohort_member_once",
                violation_error_message="This partner is in the cohort already.",
            ),
        ]
        triggers = [changes_routing("cohort_member")]

    def __str__(self) -> str:
        return f"{self.partner} in {self.cohort}"


class Grant(Limited):
    """A partner's or a cohort's access to one stage, with its window, quotas and consents."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    cohort = models.ForeignKey(
        Cohort, on_delete=models.PROTECT, null=True, blank=True, related_name="grants"
    )
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="grants")
    opens_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    terms_version = models.CharField(max_length=40, blank=True)
    terms_accepted_at = models.DateTimeField(null=True, blank=True)
    terms_accepted_by = models.CharField(max_length=200, blank=True)
    transcript_consent = models.BooleanField(default=False)
    transcript_days = models.PositiveIntegerField(default=30)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.TextField(blank=True)
    limited_since = models.DateTimeField(
        null=True, blank=True, help_text="Empty: it has the limits it was made with, or none."
    )

    class Meta:
        db_table = "grant"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(partner__isnull=False, cohort__isnull=True)
                | Q(partner__isnull=True, cohort__isnull=False),
                name="grant_subject",
                violation_error_message="A grant is for a partner or for a cohort.",
            ),
            models.UniqueConstraint(
                fields=["partner", "stage"],
                condition=Q(revoked_at__isnull=True, partner__isnull=False),
                name="grant_one_per_partner",
                violation_error_message="This partner has a grant to that stage.",
            ),
            models.UniqueConstraint(
                fields=["cohort", "stage"],
                condition=Q(revoked_at__isnull=True, cohort__isnull=False),
                name="grant_one_per_cohort",
                violation_error_message="This cohort has a grant to that stage.",
            ),
        ]
        triggers = [kept("grant"), changes_routing("grant")]

    def __str__(self) -> str:
        return f"{self.partner or self.cohort} on {self.stage}"


class Key(Limited):
    """A partner's key `slw_<public>_<secret>`; only a keyed digest is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100, blank=True)
    public = models.CharField(max_length=32, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    allowed_addresses = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.TextField(blank=True)
    limited_since = models.DateTimeField(null=True, blank=True)
    replaces = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replacements",
        help_text="The key that it was rotated from.",
    )

    class Meta:
        db_table = "partner_key"
        ordering = ["-created_at"]
        constraints = [knows_since_when("partner_key")]
        triggers = [kept("partner_key"), changes_routing("partner_key")]

    def __str__(self) -> str:
        return f"slw_{self.public}"
