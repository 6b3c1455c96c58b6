"""People, their logins, service keys, and the audit log."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models

from infra.ids import uuid7


class Person(models.Model):
    """A human: one row however many logins."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    email = models.EmailField(unique=True, help_text="Verified; what makes two logins one person.")
    created_at = models.DateTimeField(auto_now_add=True)
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "person"
        ordering = ["name"]
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A login of a person; what it may do comes from the person's groups on this login."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="logins", null=True)

    class Meta:
        db_table = "login"
        verbose_name = "login"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(person__isnull=False) | models.Q(is_active=False),
                name="login_has_person",
                violation_error_message="An active login belongs to a person: choose one.",
            )
        ]


class ServiceKey(models.Model):
    """A key of a pipeline or of CI; not a person, so it never approves."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100, unique=True)
    public = models.CharField(max_length=32, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=40))
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "service_key"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """One row a transition, written in its transaction; chained by HMAC to the row before."""

    seq = models.BigIntegerField(primary_key=True, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(max_length=200)
    on_behalf_of = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=300)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    evidence_hash = models.CharField(max_length=64, blank=True)
    previous_mac = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_entry"
        ordering = ["-seq"]
        verbose_name_plural = "audit entries"
        indexes = [
            # The history of one object, newest first.
            models.Index(fields=["object_type", "object_id", "-seq"], name="audit_object"),
            # What one actor did, newest first.
            models.Index(fields=["actor_id", "-seq"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.object_name}"
