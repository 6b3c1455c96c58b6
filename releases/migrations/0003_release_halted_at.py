"""A halted release stops soaking at a moment that is kept."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("releases", "0002_decisions_are_append_only")]
    operations = [
        migrations.AddField(
            model_name="release",
            name="halted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it stopped serving; soaking stops there too.",
                null=True,
            ),
        ),
    ]
