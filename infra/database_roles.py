"""What the application's database role may do: everything but rewrite history.

Run by the owner after migrations. Tables whose rows are written once lose UPDATE, DELETE and
TRUNCATE; all others lose TRUNCATE.
"""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.db import connection
from psycopg import sql

WRITTEN_ONCE = frozenset(
    {
        "audit_entry",
        "checkpoint",
        "price",
        "pipeline_version",
        "evaluation",
        "gate_outcome",
        "answer",
        "decision_record",
        "share_change",
        "ramp_approval",
        "freeze_waiver",
        "promotion_set",
        "promotion_comment",
        "forecast",
        "forecast_observation",
        "traffic_stay",
        "traffic_batch",
        "traffic_arm",
        "finding_report",
        "notice",
        "notification",
        "partner_terms",
        "terms_acceptance",
        "preference_vote",
        "eval_result",
        "eval_metric",
        "eval_run_scores",
        "eval_early_stop",
        "case_audit",
        "suite_health",
        "size_frontier",
        "eval_pace_change",
        "comparison",
        "judge_version",
        "label_item",
        "judge_label",
        "judge_verdict",
        "calibration",
        "run_set_report",
        "training_export",
        "training_row",
        "probe_answer",
        "probe_rating",
        "replay_set",
        "webhook_attempt",
    }
)


def apply_grants() -> list[str]:
    """Grant and revoke on every table; the tables that are written once, [] without the role."""
    role = sql.Identifier(settings.APP_ROLE)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, 1 FROM pg_roles WHERE rolname = %s", [settings.APP_ROLE]
        )
        found = cursor.fetchone()
        if found is None or found[0] == settings.APP_ROLE:
            return []
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            "REVOKE TRUNCATE ON ALL TABLES IN SCHEMA public FROM {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(role=role))
        # Eval results are copied into a temporary table, then inserted where they are new.
        grant = sql.SQL("GRANT TEMPORARY ON DATABASE {database} TO {role}")
        database = sql.Identifier(connection.settings_dict["NAME"])
        cursor.execute(grant.format(database=database, role=role))
        present = sorted(WRITTEN_ONCE & set(connection.introspection.table_names(cursor)))
        for table in present:
            revoke = sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}")
            cursor.execute(revoke.format(table=sql.Identifier(table), role=role))
    return present


def unknown_tables() -> list[str]:
    """Names in WRITTEN_ONCE that no model has: a renamed table must not lose its protection."""
    known = {model._meta.db_table for model in apps.get_models()}
    return sorted(WRITTEN_ONCE - known)
