"""Model graders that people check: judges, their versions, human labels, and calibrations."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from evals.models.runs import Result, Run
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import immutable, kept


class Judge(models.Model):
    """A question with its choices, asked of people and of a model alike; a line of versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    question = models.TextField(help_text="What raters answer about an output.")
    choices = models.JSONField(help_text="[{choice, score}], each score in 0..1 and once.")
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="judges")
    floor = models.FloatField(help_text="Kappa with people, lower end, from which it may gate.")
    min_labels = models.PositiveIntegerField(help_text="Labelled cases before it may gate.")
    n_raters = models.PositiveIntegerField(help_text="Raters each case is put to.")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "judge"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(floor__gte=0, floor__lt=1, n_raters__gte=1, min_labels__gte=10),
                name="judge_bounds",
                violation_error_message="Floor in 0..1, at least 10 labels and 1 rater.",
            ),
        ]
        triggers = [
            kept("judge"),
            # Labels answer this question; another question is another judge.
            pgtrigger.ReadOnly(name="judge_rubric", fields=["name", "question", "choices"]),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scores(self) -> dict[str, float]:
        """Each choice with its score, in the order that raters see."""
        return {choice["choice"]: float(choice["score"]) for choice in self.choices}


class JudgeVersion(models.Model):
    """Model, prompt and parameters under one digest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    model = models.CharField(max_length=200, help_text="As model graders name theirs.")
    prompt = models.JSONField(help_text="Messages with {{item.…}} and {{sample.…}} in them.")
    parameters = models.JSONField(default=dict, help_text="Sampling parameters.")
    digest = models.CharField(max_length=64)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "judge_version"
        ordering = ["judge", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "number"],
                name="judge_version_once",
                violation_error_message="The judge has that version.",
            ),
            models.UniqueConstraint(
                fields=["judge", "digest"],
                name="judge_version_new",
                violation_error_message="A version of the judge holds exactly this.",
            ),
        ]
        triggers = immutable("judge_version")

    def __str__(self) -> str:
        return f"{self.judge.name}@{self.number}"


class LabelItem(models.Model):
    """One output that people are asked about, with what it answers; drawn at random."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    judge = models.ForeignKey(Judge, on_delete=models.PROTECT, related_name="items")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="+")
    result = models.ForeignKey(Result, on_delete=models.PROTECT, null=True, related_name="+")
    rank = models.CharField(max_length=64, help_text="Random order of the cases, one for all runs.")
    case_id = models.CharField(max_length=200)
    input = models.JSONField()
    target = models.JSONField(null=True)
    metadata = models.JSONField(default=dict)
    output = models.TextField()
    is_asked = models.BooleanField(help_text="False: the suite's policy scored it, not the judge.")
    source = models.CharField(max_length=200, blank=True, help_text="The file of an import.")
    drawn_by = models.CharField(max_length=200)
    drawn_at = models.DateTimeField()

    class Meta:
        db_table = "label_item"
        ordering = ["judge", "rank", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "result"],
                name="label_item_once",
                violation_error_message="That output is among the judge's items.",
            ),
            models.CheckConstraint(
                condition=Q(result__isnull=False) | ~Q(source=""),
                name="label_item_origin",
                violation_error_message="An item comes from a result or from a file.",
            ),
        ]
        indexes = [
            # Labelling: the next items in their order.
            models.Index(fields=["judge", "rank"], name="label_item_order"),
        ]
        triggers = immutable("label_item")

    def __str__(self) -> str:
        return f"{self.case_id} for {self.judge_id}"


class Label(models.Model):
    """What one rater answered; a second thought is a row of its own that replaces the first."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    item = models.ForeignKey(LabelItem, on_delete=models.PROTECT, related_name="labels")
    rater = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="labels")
    choice = models.CharField(max_length=100)
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="replaced_by"
    )
    labelled_at = models.DateTimeField()

    class Meta:
        db_table = "judge_label"
        ordering = ["labelled_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "rater"],
                condition=Q(replaces__isnull=True),
                nulls_distinct=False,
                name="judge_label_once",
                violation_error_message="This rater has labelled that item.",
            ),
        ]
        triggers = immutable("judge_label")

    def __str__(self) -> str:
        # Without the choice: names show in the audit log, and raters judge blind.
        return f"label on {self.item_id}"


class JudgeVerdict(models.Model):
    """What one version of a judge answered about an item."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(JudgeVersion, on_delete=models.PROTECT, related_name="verdicts")
    item = models.ForeignKey(LabelItem, on_delete=models.PROTECT, related_name="verdicts")
    choice = models.CharField(max_length=100, blank=True)
    explanation = models.TextField(blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    is_from_run = models.BooleanField(help_text="Taken from the run that it graded.")
    tokens_in = models.BigIntegerField(null=True)
    tokens_out = models.BigIntegerField(null=True)
    asked_at = models.DateTimeField()

    class Meta:
        db_table = "judge_verdict"
        ordering = ["version", "item"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "item"],
                condition=~Q(choice=""),
                name="judge_verdict_once",
                violation_error_message="This version has answered about that item.",
            ),
            models.CheckConstraint(
                condition=(Q(choice="") & ~Q(error_code="")) | (~Q(choice="") & Q(error_code="")),
                name="judge_verdict_or_error",
                violation_error_message="A verdict is a choice or an error.",
            ),
        ]
        triggers = immutable("judge_verdict")

    def __str__(self) -> str:
        return self.choice or self.error_code


class Calibration(models.Model):
    """How far a version agreed with people's labels at one moment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(JudgeVersion, on_delete=models.PROTECT, related_name="calibrations")
    n_items = models.PositiveIntegerField(help_text="Items with a human and a judge's answer.")
    n_labels = models.PositiveIntegerField()
    n_raters = models.PositiveIntegerField()
    n_double = models.PositiveIntegerField(help_text="Items that two raters or more labelled.")
    n_disputed = models.PositiveIntegerField(help_text="Items without a majority: left out.")
    n_errored = models.PositiveIntegerField(help_text="Items on which the judge failed: left out.")
    table = models.JSONField(help_text="Counts: a row a human choice, a column a judge's.")
    kappa = models.FloatField(null=True)
    kappa_lo = models.FloatField(null=True)
    kappa_hi = models.FloatField(null=True)
    agreement = models.FloatField(null=True, help_text="Share of equal answers: the metascore.")
    human_alpha = models.FloatField(null=True)
    true_pos = models.PositiveIntegerField()
    positives = models.PositiveIntegerField()
    true_neg = models.PositiveIntegerField()
    negatives = models.PositiveIntegerField()
    oldest_label_at = models.DateTimeField(null=True)
    labels_until = models.DateTimeField(help_text="Labels given up to this moment count.")
    digest = models.CharField(max_length=64)
    calibrated_by = models.CharField(max_length=200)
    calibrated_at = models.DateTimeField()

    class Meta:
        db_table = "calibration"
        ordering = ["-calibrated_at"]
        indexes = [
            # Evidence of a gate: the newest calibration of a version.
            models.Index(fields=["version", "-calibrated_at"], name="calibration_newest"),
        ]
        triggers = immutable("calibration")

    def __str__(self) -> str:
        return f"calibration of {self.version}"
