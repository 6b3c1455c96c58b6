"""An attempt to move a checkpoint into a stage: evidence as it was judged, and what people said."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept, lifecycle
from releases.models.checkpoints import Checkpoint
from releases.models.pipelines import Stage
from releases.states import (
    OPEN_PROMOTIONS,
    PROMOTION_TRANSITIONS,
    Outcome,
    PromotionState,
    Vote,
)


class PromotionSet(models.Model):
    """Sizes that go into a stage together: each has its promotion, and all move or none does."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="promotion_sets")
    requested_at = models.DateTimeField()

    class Meta:
        db_table = "promotion_set"
        ordering = ["-requested_at"]
        triggers = immutable("promotion_set")

    def __str__(self) -> str:
        return f"set into {self.stage}"


class Promotion(models.Model):
    """One attempt to move one checkpoint into one stage; its policy is frozen at the request."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="promotions")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="promotions")
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in PromotionState],
        default=PromotionState.EVALUATING.value,
    )
    reason = models.TextField()
    requested_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, related_name="requested_promotions"
    )
    requester_name = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    policy = models.JSONField()
    policy_digest = models.CharField(max_length=64)
    hotfix = models.BooleanField(
        default=False, help_text="Skips soak and exposure, and owes a follow-up."
    )
    together = models.ForeignKey(
        PromotionSet, on_delete=models.PROTECT, null=True, blank=True, related_name="members"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    superseded_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded"
    )

    class Meta:
        db_table = "promotion"
        ordering = ["-requested_at"]
        indexes = [
            # The scheduler: promotions that are still open.
            models.Index(
                fields=["requested_at"],
                name="promotion_open",
                condition=Q(state__in=[s.value for s in sorted(OPEN_PROMOTIONS)]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "stage"],
                condition=Q(state__in=[s.value for s in sorted(OPEN_PROMOTIONS)]),
                name="promotion_one_open",
                violation_error_message="This checkpoint already has an open promotion there.",
            ),
        ]
        triggers = [lifecycle("promotion", PROMOTION_TRANSITIONS), kept("promotion")]

    def __str__(self) -> str:
        return f"{self.checkpoint} to {self.stage}"


class Evaluation(models.Model):
    """All gates of a promotion judged at one moment; `evidence_hash` is what approvals bind to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="evaluations")
    number = models.PositiveIntegerField()
    evaluated_at = models.DateTimeField()
    admits = models.BooleanField()
    machine_clear = models.BooleanField(help_text="Every gate that no person answers admits.")
    evidence_hash = models.CharField(max_length=64)

    class Meta:
        db_table = "evaluation"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "number"],
                name="evaluation_once",
                violation_error_message="Another evaluation of this promotion came first.",
            ),
        ]
        triggers = immutable("evaluation")

    def __str__(self) -> str:
        return f"{self.promotion} evaluation {self.number}"


class GateOutcome(models.Model):
    """One gate's frozen answer: the numbers, the digests of its inputs, and the sentence."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, related_name="outcomes")
    position = models.PositiveIntegerField()
    gate_id = models.CharField(max_length=80)
    kind = models.CharField(max_length=40)
    shadow = models.BooleanField(default=False)
    outcome = models.CharField(max_length=20, choices=[(o.value, o.value) for o in Outcome])
    code = models.CharField(max_length=60)
    sentence = models.TextField()
    observed = models.JSONField(null=True)
    required = models.JSONField(null=True)
    owner = models.CharField(max_length=120, blank=True)
    clears_at = models.DateTimeField(null=True)
    inputs = models.JSONField(help_text="Name of each input and its digest.")
    evidence = models.JSONField(null=True, help_text="Numbers that the rule was given.")
    evidence_url = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "gate_outcome"
        ordering = ["evaluation", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["evaluation", "gate_id"],
                name="gate_outcome_once",
                violation_error_message="This gate was judged already in this evaluation.",
            ),
        ]
        triggers = immutable("gate_outcome")

    def __str__(self) -> str:
        return f"{self.gate_id}: {self.outcome}"


class Answer(models.Model):
    """What a person answered to a `sign_off` or `manual` gate; the newest one counts."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="answers")
    gate_id = models.CharField(max_length=80)
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    yes = models.BooleanField()
    comment = models.TextField()
    evidence_key = models.CharField(
        max_length=64, blank=True, help_text="Hash of what the person looked at."
    )
    answered_at = models.DateTimeField()

    class Meta:
        db_table = "answer"
        ordering = ["answered_at"]
        triggers = immutable("answer")

    def __str__(self) -> str:
        return f"{self.person}: {'yes' if self.yes else 'no'}"


class Approval(models.Model):
    """A person's vote, bound to the evidence it was given on; void when that changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="approvals")
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    vote = models.CharField(max_length=10, choices=[(v.value, v.value) for v in Vote])
    comment = models.TextField(blank=True)
    groups = ArrayField(models.CharField(max_length=40))
    evidence_hash = models.CharField(max_length=64)
    voted_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.TextField(blank=True)

    class Meta:
        db_table = "approval"
        ordering = ["voted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "person"],
                condition=Q(voided_at__isnull=True),
                name="approval_one_vote",
                violation_error_message="This person has voted already.",
            ),
        ]
        triggers = [kept("approval")]

    def __str__(self) -> str:
        return f"{self.person}: {self.vote}"


class Waiver(models.Model):
    """A recorded bypass of one named gate, for one checkpoint and stage, by two persons."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="waivers")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="waivers")
    gate_id = models.CharField(max_length=80)
    reason = models.TextField()
    asked_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="waivers_asked")
    asked_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(
        Person, on_delete=models.PROTECT, null=True, related_name="waivers_confirmed"
    )
    confirmed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "waiver"
        ordering = ["-asked_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=models.F("asked_by")),
                name="waiver_two_persons",
                violation_error_message="A waiver is confirmed by a second person.",
            ),
        ]
        triggers = [kept("waiver")]

    def __str__(self) -> str:
        return f"{self.gate_id} waived for {self.checkpoint}"


class PromotionComment(models.Model):
    """What a person said about a promotion, for whoever decides it or defends it later."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="comments")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="promotion_comments")
    text = models.TextField()
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in PromotionState],
        help_text="Of the promotion when it was said.",
    )
    commented_at = models.DateTimeField()

    class Meta:
        db_table = "promotion_comment"
        ordering = ["commented_at", "pk"]
        triggers = immutable("promotion_comment")

    def __str__(self) -> str:
        return f"{self.person} on {self.promotion}"


class DecisionRecord(models.Model):
    """The whole of one decision as one document, hashed; enough to replay it offline."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="decisions")
    document = models.JSONField()
    document_hash = models.CharField(max_length=64)
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "decision_record"
        ordering = ["-decided_at"]

    def __str__(self) -> str:
        return f"{self.promotion} decided {self.decided_at:%Y-%m-%d %H:%M}"
