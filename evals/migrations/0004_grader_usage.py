from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("evals", "0003_case_graders"),
    ]

    operations = [
        migrations.AddField(
            model_name="result",
            name="grader_cost_micros",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="result",
            name="grader_tokens_in",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="result",
            name="grader_tokens_out",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="result",
            name="n_grader_calls",
            field=models.PositiveIntegerField(
                default=0, help_text="Calls that the graders made to models of their own."
            ),
        ),
    ]
