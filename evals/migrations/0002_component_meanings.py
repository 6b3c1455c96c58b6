from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("evals", "0001_suites_and_runs")]

    operations = [
        migrations.AddField(
            model_name="suiteversion",
            name="components",
            field=models.JSONField(
                default=dict, help_text="Each component that a case may score, with its meaning."
            ),
        ),
    ]
