"""What checkpoints are asked: suites, their immutable versions, and cases."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from alpha.models import Feedback, Finding
from evals.states import VERSION_TRANSITIONS, CaseSource, VersionState
from infra.ids import uuid7
from infra.models import Person
from infra.triggers import kept, lifecycle

_PUBLISHED = """
    IF EXISTS (
        SELECT 1 FROM suite_version
        WHERE id = COALESCE(OLD.version_id, NEW.version_id) AND state = 'published'
    ) THEN
        RAISE EXCEPTION 'cases of a published suite version never change';
    END IF;
    RETURN COALESCE(NEW, OLD);
"""


class Suite(models.Model):
    """A named line of versions with an owner and a date by which somebody looks again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="suites")
    shelf_days = models.PositiveIntegerField(default=90)
    review_by = models.DateField()
    reviewed_at = models.DateTimeField(
        null=True, help_text="When somebody last renewed it; what was saturated before is reviewed."
    )
    is_internal = models.BooleanField(
        default=False, help_text="Made by Slipway for one experiment: no list shows it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "suite"
        ordering = ["name"]
        triggers = [kept("suite")]

    def __str__(self) -> str:
        return self.name


class SuiteVersion(models.Model):
    """Cases, graders and policy under one digest; a draft until it is published."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=20,
        choices=[(s.value, s.value) for s in VersionState],
        default=VersionState.DRAFT.value,
    )
    components = models.JSONField(
        default=dict, help_text="Each component that a case may score, with its meaning."
    )
    graders = models.JSONField(help_text="The suite's graders, each by its JSON.")
    policy = models.JSONField(help_text="Scores of refused and unparsable answers.")
    request = models.JSONField(help_text="Request fields that every case sends.")
    canary = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    n_cases = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "suite_version"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["suite", "number"],
                name="suite_version_once",
                violation_error_message="This version of the suite exists already.",
            ),
            models.UniqueConstraint(
                fields=["suite"],
                condition=Q(state="draft"),
                name="suite_version_one_draft",
                violation_error_message="The suite has a draft already: edit that one.",
            ),
        ]
        triggers = [
            lifecycle("suite_version", VERSION_TRANSITIONS),
            pgtrigger.Protect(
                name="suite_version_published",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__state="published"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.suite.name}@{self.number}"


class Case(models.Model):
    """One question with what a good answer must satisfy, labelled by component."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(SuiteVersion, on_delete=models.CASCADE, related_name="cases")
    position = models.PositiveIntegerField()
    case_id = models.CharField(max_length=200)
    input = models.JSONField(help_text="The messages.")
    tools = models.JSONField(null=True)
    target = models.JSONField(null=True)
    metadata = models.JSONField(default=dict)
    request = models.JSONField(default=dict)
    serving = models.JSONField(
        default=dict, help_text="What replaces the checkpoint's own serving defaults."
    )
    graders = models.JSONField(
        default=list, help_text="Graders of this case alone, in addition to the version's."
    )
    components = ArrayField(models.CharField(max_length=200))
    cluster = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=20, choices=[(s.value, s.value) for s in CaseSource])
    feedback = models.ForeignKey(
        Feedback, on_delete=models.PROTECT, null=True, blank=True, related_name="cases"
    )
    finding = models.ForeignKey(
        Finding,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cases",
        help_text="The weakness that it keeps from coming back.",
    )
    probe_id = models.UUIDField(
        null=True, blank=True, help_text="The experiment that isolated the weakness."
    )
    digest = models.CharField(max_length=64)

    class Meta:
        db_table = "eval_case"
        ordering = ["version", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "case_id"],
                name="eval_case_once",
                violation_error_message="The version has a case of that id.",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="eval_case_published",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=_PUBLISHED,
            ),
        ]

    def __str__(self) -> str:
        return self.case_id
