"""The roles a person can hold, as Django groups."""

from __future__ import annotations

from typing import Any

from django.db import migrations

ROLES = [
    "release-managers",
    "behaviour-reviewers",
    "eval-owners",
    "partner-managers",
    "engineers",
    "auditors",
]


def make_groups(apps: Any, schema_editor: Any) -> None:
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


def drop_groups(apps: Any, schema_editor: Any) -> None:
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("infra", "0002_audit_is_append_only"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(make_groups, drop_groups)]
