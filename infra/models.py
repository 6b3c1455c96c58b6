"""People, their logins, service keys, and the audit log."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models

from infra import clock
from infra.delivery_states import DELIVERY_TRANSITIONS, DeliveryState
from infra.ids import uuid7
from infra.notification_models import AuditReader as AuditReader
from infra.notification_models import Hearing as Hearing
from infra.notification_models import Mail as Mail
from infra.notification_models import Notification as Notification
from infra.triggers import immutable, kept, lifecycle


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


class SignInFailures(models.Model):
    """How many sign-ins failed for one login, or from one address, in the window that runs."""

    kind = models.CharField(max_length=10)
    subject = models.CharField(max_length=160, help_text="Login, digest of no login, or address.")
    n_failed = models.PositiveIntegerField()
    ends_at = models.DateTimeField(help_text="When the window ends, and the lock with it.")

    class Meta:
        db_table = "sign_in_failures"
        verbose_name = "sign-in lock"
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], name="sign_in_failures_one_counter")
        ]

    def __str__(self) -> str:
        unknown = self.subject.startswith("unknown:")
        return "a login that does not exist" if unknown else f"{self.kind} {self.subject}"


class Invitation(models.Model):
    """Somebody asked in by an administrator; the link's token is kept as a digest alone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField()
    name = models.CharField(max_length=200)
    roles = ArrayField(models.CharField(max_length=40), help_text="What the login will hold.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "invitation"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None),
                name="invitation_ends_once",
                violation_error_message="An invitation is accepted or taken back, not both.",
            )
        ]
        triggers = [kept("invitation")]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def state(self) -> str:
        """What became of it: open, accepted, revoked or expired."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if self.expires_at > clock.now() else "expired"


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
            # What happened since somebody last looked.
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.object_name}"


class BriefLook(models.Model):
    """When a person looks at the brief, and since when its changes are news to them."""

    person = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True)
    since = models.DateTimeField(help_text="When they looked the time before.")
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "brief_look"

    def __str__(self) -> str:
        return f"{self.person} at {self.looked_at:%Y-%m-%d %H:%M}"


class WebhookEndpoint(models.Model):
    """An address that is told what happened, with a secret of its own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    url = models.CharField(max_length=500)
    secret_ref = models.CharField(max_length=300, help_text="env:NAME or file:/path of the secret.")
    is_enabled = models.BooleanField(default=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "webhook_endpoint"
        ordering = ["name"]
        triggers = [kept("webhook_endpoint")]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """One message for one endpoint; its id is the `webhook-id` of every attempt."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries"
    )
    event = models.CharField(max_length=80)
    subject = models.CharField(max_length=64, help_text="Id of what the message tells of.")
    ordered_by = models.CharField(
        max_length=64, blank=True, default="", help_text="Id of a checkpoint; empty: any order."
    )
    body = models.TextField(help_text="The very bytes that are signed and sent.")
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in DeliveryState],
        default=DeliveryState.PENDING.value,
    )
    n_attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "webhook_delivery"
        ordering = ["-created_at"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # The sweep: what is due.
            models.Index(
                fields=["next_attempt_at"],
                name="webhook_delivery_due",
                condition=models.Q(state="pending"),
            ),
            # What was told of one thing.
            models.Index(fields=["subject"], name="webhook_delivery_subject"),
            # Whether an earlier message about the same checkpoint is still on its way.
            models.Index(
                fields=["endpoint", "ordered_by", "created_at"],
                name="webhook_delivery_order",
                condition=models.Q(state="pending") & ~models.Q(ordered_by=""),
            ),
        ]
        triggers = [
            lifecycle("webhook_delivery", DELIVERY_TRANSITIONS),
            kept("webhook_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"


class WebhookAttempt(models.Model):
    """One call of an endpoint, as it went."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.PROTECT, related_name="attempts")
    at = models.DateTimeField()
    status = models.PositiveIntegerField(null=True, help_text="None: nothing was answered.")
    problem = models.TextField(blank=True)
    duration_ms = models.FloatField()

    class Meta:
        db_table = "webhook_attempt"
        ordering = ["-at"]
        triggers = immutable("webhook_attempt")

    def __str__(self) -> str:
        return f"{self.delivery}: {self.status or self.problem}"
