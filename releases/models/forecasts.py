"""What a promotion predicted of its stage, and what then happened there; both written once."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from infra.ids import uuid7
from infra.triggers import immutable
from releases.models.promotions import Promotion
from releases.states import ForecastKind

_IN_ORDER = Q(lo__gte=0) & Q(hi__lte=1)


class Forecast(models.Model):
    """One number that the evidence predicted for the stage when the promotion executed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="forecasts")
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in ForecastKind])
    name = models.CharField(max_length=200, blank=True, help_text="Which failure mode; else empty.")
    predicted = models.FloatField(help_text="A share of 1.")
    lo = models.FloatField(help_text="Lower end of the 95% interval.")
    hi = models.FloatField()
    n = models.PositiveBigIntegerField(help_text="Conversations, units or votes behind it.")
    basis = models.TextField(help_text="Where the number comes from, for a person.")
    inputs = models.JSONField(default=dict, help_text="What the source needs to observe the same.")
    predicted_at = models.DateTimeField()

    class Meta:
        db_table = "forecast"
        ordering = ["-predicted_at", "kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "kind", "name"],
                name="forecast_once",
                violation_error_message="This promotion has that forecast already.",
            ),
            models.CheckConstraint(
                condition=_IN_ORDER & Q(predicted__gte=F("lo")) & Q(predicted__lte=F("hi")),
                name="forecast_interval",
                violation_error_message="A forecast lies inside its interval, within 0..1.",
            ),
        ]
        triggers = immutable("forecast")

    def __str__(self) -> str:
        return f"{self.label} of {self.promotion}"

    @property
    def label(self) -> str:
        words = self.kind.replace("_", " ")
        return f"{words} {self.name}" if self.name else words


class ForecastObservation(models.Model):
    """What the stage's live traffic showed of one forecast, once enough was seen."""

    forecast = models.OneToOneField(
        Forecast, on_delete=models.PROTECT, primary_key=True, related_name="observation"
    )
    observed = models.FloatField(help_text="A share of 1.")
    lo = models.FloatField(help_text="Lower end of its own 95% interval.")
    hi = models.FloatField()
    n = models.PositiveBigIntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    basis = models.TextField()
    agrees = models.BooleanField(help_text="Both intervals together leave no difference.")
    inside = models.BooleanField(help_text="Inside the predicted interval itself.")
    factor = models.FloatField(help_text="How many times too high or too low; 1 is exact.")
    observed_at = models.DateTimeField()

    class Meta:
        db_table = "forecast_observation"
        ordering = ["-observed_at"]
        constraints = [
            models.CheckConstraint(
                condition=_IN_ORDER & Q(observed__gte=F("lo")) & Q(observed__lte=F("hi")),
                name="forecast_observation_interval",
                violation_error_message="An observation lies inside its interval, within 0..1.",
            ),
        ]
        triggers = immutable("forecast_observation")

    def __str__(self) -> str:
        return f"observed of {self.forecast_id}"
