"""People of a partner: how they come in, and which terms they accepted.

They are no persons of the house: they have no role, no group and no login of the console.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from alpha.models.access import Grant, Partner
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import changes_routing, immutable, kept


class PartnerLogin(models.Model):
    """One human at one partner, who opens that partner's pages and nothing else."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="people")
    email = models.EmailField(help_text="What they sign in with.")
    name = models.CharField(max_length=200)
    password = models.CharField(max_length=200, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    signed_in_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        db_table = "partner_login"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=Q(ended_at__isnull=True),
                name="partner_login_email",
                violation_error_message="Somebody signs in with this address already.",
            ),
        ]
        triggers = [kept("partner_login")]

    def __str__(self) -> str:
        return f"{self.name} of {self.partner}"


class PartnerInvitation(models.Model):
    """A link by which one address comes in, once, before it expires; its text is kept nowhere."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, blank=True)
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    login = models.ForeignKey(
        PartnerLogin, on_delete=models.PROTECT, null=True, blank=True, related_name="invitations"
    )

    class Meta:
        db_table = "partner_invitation"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(used_at__isnull=True, login__isnull=True)
                | Q(used_at__isnull=False, login__isnull=False, withdrawn_at__isnull=True),
                name="partner_invitation_used",
                violation_error_message="An invitation is used by one login, or withdrawn.",
            ),
        ]
        triggers = [kept("partner_invitation")]

    def __str__(self) -> str:
        return f"invitation of {self.email} to {self.partner}"


class Terms(models.Model):
    """One version of what partners agree to, in full; never changed once it is published."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.CharField(max_length=40, unique=True)
    text = models.TextField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        db_table = "partner_terms"
        ordering = ["-published_at"]
        verbose_name_plural = "terms"
        triggers = immutable("partner_terms")

    def __str__(self) -> str:
        return f"terms {self.version}"


class TermsAcceptance(models.Model):
    """One person's word for its partner; it opens that grant to that partner alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="acceptances")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="acceptances")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="acceptances")
    login = models.ForeignKey(PartnerLogin, on_delete=models.PROTECT, related_name="acceptances")
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "terms_acceptance"
        ordering = ["-accepted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["grant", "partner", "terms"],
                name="terms_acceptance_once",
                violation_error_message="These terms were accepted already.",
            ),
        ]
        triggers = [*immutable("terms_acceptance"), changes_routing("terms_acceptance")]

    def __str__(self) -> str:
        return f"{self.terms} accepted for {self.partner}"
