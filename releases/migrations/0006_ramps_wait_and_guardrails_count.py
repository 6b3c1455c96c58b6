"""A ramp keeps what stands in its way; a guardrail keeps since when, and how many it met."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0005_shares_sum_to_a_hundred"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="rampapproval",
            options={"ordering": ["approved_at"]},
        ),
        migrations.RemoveConstraint(
            model_name="rampapproval",
            name="ramp_approval_once",
        ),
        migrations.AddField(
            model_name="guardrail",
            name="n_exposed",
            field=models.PositiveIntegerField(
                help_text="Requests that the candidate served from then until it fired.", null=True
            ),
        ),
        migrations.AddField(
            model_name="guardrail",
            name="worse_since",
            field=models.DateTimeField(
                help_text="When the last batch closed with which the candidate was not worse.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="ramp",
            name="blocked_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When its step was due and something stood in the way.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="ramp",
            name="blocked_reason",
            field=models.TextField(blank=True),
        ),
    ]
